package pve

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/clustercontext"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/pvetest"
)

func TestMain(m *testing.M) {
	pvetest.Dispatch()
	os.Exit(m.Run())
}

// world is three nodes behind real sshds, and the cluster as we reach it.
func world(t *testing.T) (*pvetest.World, *Cluster) {
	t.Helper()
	mustrun.Command(t, "sshd")
	t.Setenv(pvetest.SecondVariable, "50ms")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "pve") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	w, err := pvetest.New(filepath.Join(dir, "w"), program)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("PATH", filepath.Join(w.Dir, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	path := filepath.Join(dir, "madagascar.json")
	if err := w.WriteContext(path); err != nil {
		t.Fatal(err)
	}
	contexts, err := clustercontext.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	connections, err := host.OpenConnections(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connections.Close() })
	return w, &Cluster{Context: contexts.Clusters[0], Connections: connections, Timeout: 20 * time.Second}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
