package davstore

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/store/storetest/servers"
	"github.com/railiance/railiance/tools/internal/tell"
)

func response(href, props string) string {
	return `<d:response><d:href>` + href + `</d:href><d:propstat><d:prop>` + props + `</d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>`
}

func multistatus(responses ...string) string {
	return `<?xml version="1.0"?><d:multistatus xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns">` + strings.Join(responses, "") + `</d:multistatus>`
}

const folderType = `<d:resourcetype><d:collection/></d:resourcetype>`

func TestElements(t *testing.T) {
	u, err := url.Parse("https://cloud.example.org/remote.php/dav/files/me/our%20backups")
	if err != nil {
		t.Fatal(err)
	}
	const at = "/remote.php/dav/files/me/our%20backups"
	self := response(at+"/", folderType)
	file := `<d:resourcetype/><d:getcontentlength>12</d:getcontentlength><d:getlastmodified>Sat, 21 Nov 2026 02:00:00 GMT</d:getlastmodified>`
	for name, test := range map[string]struct {
		text  string
		want  string // names and sizes of what is in the folder
		fails string
	}{
		"files and folders": {multistatus(self, response(at+"/a", file), response(at+"/vm-1/", folderType)), "a:12 vm-1/:-1", ""},
		"whole addresses":   {multistatus(self, response("https://other.example.org"+at+"/a", file)), "a:12", ""},
		"itself last":       {multistatus(response(at+"/a", file), self), "a:12", ""},
		"what is elsewhere": {multistatus(self, response("/etc/passwd", file), response(at+"/vm-1/a", file), response(at+"/../x", file),
			response(at+"%2Fx%2Fy", file), response(at+"/x%2Fy", file), response("%zz", file), response(at+"-2/a", file)), "", ""},
		"another namespace":   {multistatus(self, strings.ReplaceAll(response(at+"/a", file), "d:", "oc:")), "", ""},
		"what is not allowed": {multistatus(self, strings.Replace(response(at+"/a", file), "200 OK", "403 No", 1)), "a:-1", ""},
		"sizes that are none": {multistatus(self, response(at+"/a", "<d:getcontentlength>-5</d:getcontentlength>"), response(at+"/b", "<d:getcontentlength>99999999999999999999</d:getcontentlength>")),
			"a:-1 b:-1", ""},
		"not itself":      {multistatus(response("/dav/our%20backups/", folderType), response("/dav/our%20backups/a", file)), "", "does not hold the folder itself"},
		"nothing":         {"", "", "does not hold the folder itself"},
		"cut short":       {multistatus(self, response(at+"/a", file))[:500], "", "cannot be read"},
		"no XML":          {"<html><br></html>", "", "cannot be read"},
		"foreign entity":  {`<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>` + multistatus(response("&x;", file)), "", "cannot be read"},
		"deep":            {strings.Repeat("<a>", 100000), "", "cannot be read"},
		"the same inside": {multistatus(strings.Replace(self, "</d:response>", self+"</d:response>", 1)), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			all, err := elements(strings.NewReader(test.text), u)
			if test.fails != "" {
				if err == nil || !strings.Contains(err.Error(), test.fails) {
					t.Errorf("%v, want %s", err, test.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range all[1:] {
				if e.folder {
					e.name += "/"
				}
				got = append(got, fmt.Sprintf("%s:%d", e.name, e.size))
				if e.size == 12 && !e.modified.Equal(time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)) {
					t.Errorf("%s: %s", e.name, e.modified)
				}
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("%q, want %s", got, test.want)
			}
		})
	}
}

// Nextcloud says how much room a user has; a negative number says nothing.
func TestQuota(t *testing.T) {
	server := servers.NewWebDAV(t)
	for free, full := range map[string]bool{"999": true, "1000": false, "-3": false, "": false, "much": false} {
		var path string
		s, _ := at(t, server, func(r *http.Request) servers.Fault {
			if r.Method != "PROPFIND" {
				return servers.Fault{}
			}
			return servers.Fault{Status: 207, Body: multistatus(response(path+"/", folderType+"<d:quota-available-bytes>"+free+"</d:quota-available-bytes>"))}
		})
		path = s.base.Path
		err := s.Check(context.Background(), 1000)
		if full != (err != nil) {
			t.Errorf("%q free: %v", free, err)
		}
		if full && (!strings.Contains(err.Error(), "999 B free") || len(tell.Hints(err)) == 0) {
			t.Errorf("%v, %q", err, tell.Hints(err))
		}
		if err := s.Check(context.Background(), 0); err != nil {
			t.Errorf("nothing was asked: %v", err)
		}
	}
}

func FuzzElements(f *testing.F) {
	u, err := url.Parse("https://c/dav")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(multistatus(response("/dav/", folderType), response("/dav/a", "<d:getcontentlength>1</d:getcontentlength>")))
	f.Add(multistatus(response("//dav/..", folderType)))
	f.Fuzz(func(t *testing.T, text string) {
		all, err := elements(strings.NewReader(text), u)
		if err != nil {
			return
		}
		for _, e := range all[1:] {
			if e.name == "" || strings.Contains(e.name, "/") {
				t.Errorf("a name is %q", e.name)
			}
		}
	})
}
