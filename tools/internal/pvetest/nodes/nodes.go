// Package nodes starts the Proxmox cluster of the tests for the time of one
// test, with the ssh in PATH that reaches it.
//
// The one thing to know: the test binary becomes the fakes, so its TestMain must
// call pvetest.Dispatch first.
package nodes

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/railiance/railiance/tools/internal/clustercontext"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/pvetest"
)

// Start starts three nodes without guests behind real sshds, whose patience is
// twenty times shorter than that of real ones. It returns the cluster as its
// context describes it, and connections to share. All of it ends with the test.
func Start(t *testing.T) (*pvetest.World, clustercontext.Cluster, *host.Connections) {
	t.Helper()
	mustrun.Command(t, "sshd")
	t.Setenv(pvetest.SecondVariable, "50ms")
	program, err := os.Executable()
	ok(t, err)
	dir, err := os.MkdirTemp("", "pve") // a socket's path is short
	ok(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	w, err := pvetest.New(filepath.Join(dir, "w"), program)
	ok(t, err)
	ok(t, w.Start())
	t.Cleanup(func() {
		if err := w.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("PATH", filepath.Join(w.Dir, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	path := filepath.Join(dir, "madagascar.json")
	ok(t, w.WriteContext(path))
	contexts, err := clustercontext.Read(path)
	ok(t, err)
	connections, err := host.OpenConnections(dir)
	ok(t, err)
	t.Cleanup(func() { _ = connections.Close(t.Context()) })
	return w, contexts.Clusters[0], connections
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
