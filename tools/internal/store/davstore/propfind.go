package davstore

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// element is what the server says of a file or folder.
type element struct {
	name     string // empty: what was asked for itself
	folder   bool
	size     int64 // bytes; -1: not told
	free     int64 // bytes that may still be written; below 0: not told
	modified time.Time
}

const question = `<?xml version="1.0" encoding="utf-8"?>
<propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/><getlastmodified/><quota-available-bytes/></prop></propfind>`

type reply struct {
	Href  string `xml:"DAV: href"`
	Parts []struct {
		Status string `xml:"DAV: status"`
		Prop   struct {
			Folder   *struct{} `xml:"DAV: resourcetype>collection"`
			Size     string    `xml:"DAV: getcontentlength"`
			Modified string    `xml:"DAV: getlastmodified"`
			Free     string    `xml:"DAV: quota-available-bytes"`
		} `xml:"DAV: prop"`
	} `xml:"DAV: propstat"`
}

// propfind asks for what is at u, with depth "1" also for what is in it. The
// first element is u itself.
func (s *Site) propfind(ctx context.Context, u *url.URL, depth string) ([]element, error) {
	var all []element
	err := s.try(ctx, func() error {
		resp, err := s.do(ctx, "PROPFIND", u, map[string]string{"Depth": depth, "Content-Type": "application/xml; charset=utf-8"},
			strings.NewReader(question), http.StatusMultiStatus)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		all, err = elements(resp.Body, u)
		return err
	})
	return all, err
}

// elements reads a multi-status of the folder at u.
func elements(r io.Reader, u *url.URL) ([]element, error) {
	all := make([]element, 1)
	found := false
	for d := xml.NewDecoder(r); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("the server's listing cannot be read: %w", err)
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "response" || start.Name.Space != "DAV:" {
			continue
		}
		var one reply
		if err := d.DecodeElement(&one, &start); err != nil {
			return nil, fmt.Errorf("the server's listing cannot be read: %w", err)
		}
		name, ok := below(u, one.Href)
		switch {
		case !ok:
		case name == "":
			found = true
			all[0] = one.element("")
		default:
			all = append(all, one.element(name))
		}
	}
	if !found {
		// Else a server that calls itself otherwise would look empty.
		return nil, errors.New("the server's listing does not hold the folder itself: is the url the address that it knows itself by?")
	}
	return all, nil
}

// below is the name of href in the folder at u, empty for u itself.
func below(u *url.URL, href string) (string, bool) {
	to, err := u.Parse(strings.TrimSpace(href))
	if err != nil {
		return "", false
	}
	path := strings.TrimRight(to.Path, "/")
	folder := strings.TrimRight(u.Path, "/")
	if path == folder {
		return "", true
	}
	name, inside := strings.CutPrefix(path, folder+"/")
	return name, inside && !strings.Contains(name, "/")
}

func (r *reply) element(name string) element {
	e := element{name: name, size: -1, free: -1}
	for _, part := range r.Parts {
		if fields := strings.Fields(part.Status); len(fields) < 2 || fields[1] != "200" {
			continue
		}
		e.folder = e.folder || part.Prop.Folder != nil
		if n, err := strconv.ParseInt(part.Prop.Size, 10, 64); err == nil && n >= 0 {
			e.size = n
		}
		if n, err := strconv.ParseInt(part.Prop.Free, 10, 64); err == nil {
			e.free = n
		}
		if t, err := http.ParseTime(part.Prop.Modified); err == nil {
			e.modified = t
		}
	}
	return e
}
