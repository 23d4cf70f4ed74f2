package davstore

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/store/storetest"
	"github.com/railiance/railiance/tools/internal/store/storetest/servers"
)

// at is a site on the server, in a folder of its own, which may be reached
// through a proxy; and the folder on disk.
func at(t *testing.T, server *servers.WebDAV, rule servers.Rule) (*Site, string) {
	t.Helper()
	name := fmt.Sprintf("site-%d", time.Now().UnixNano())
	dir := filepath.Join(server.Dir, name)
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	c := Config{URL: server.URL + "/" + name, CA: server.CA, User: server.User, Password: server.Password}
	if rule != nil {
		c.URL = server.Harm(t, rule) + "/" + name
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	s.pause = 5 * time.Millisecond
	return s, dir
}

func TestSite(t *testing.T) {
	server := servers.NewWebDAV(t)
	storetest.RunSite(t, func(t *testing.T) store.Site { s, _ := at(t, server, nil); return s })
}
