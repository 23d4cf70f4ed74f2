package pve

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/pvetest"
	"github.com/railiance/railiance/tools/internal/pvetest/nodes"
)

func TestMain(m *testing.M) {
	pvetest.Dispatch()
	os.Exit(m.Run())
}

// world is three nodes behind real sshds, and the cluster as we reach it.
func world(t *testing.T) (*pvetest.World, *Cluster) {
	t.Helper()
	w, cluster, connections := nodes.Start(t)
	return w, &Cluster{Context: cluster, Connections: connections, Timeout: 20 * time.Second}
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
