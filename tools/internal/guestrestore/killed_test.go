package guestrestore_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/clustercontext"
	"github.com/railiance/railiance/tools/internal/guestrestore"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/pvetest"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

// victim is what a process that is to be killed needs to restore a guest.
type victim struct {
	Drill                        bool
	Context, Connections, Memory string
	Folder, Key                  string
	Subject                      guestset.Subject
	Manifest                     *catalog.Manifest
	ID                           int
}

const victimVariable = "GUESTRESTORE_VICTIM"

// beVictim restores, or drills, with a store that stands still in the midst of
// it where a drill is not to be reached.
func beVictim(text string) error {
	var v victim
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return err
	}
	contexts, err := clustercontext.Read(v.Context)
	if err != nil {
		return err
	}
	key, err := age.ParseX25519Identity(v.Key)
	if err != nil {
		return err
	}
	folder, err := store.OpenDir(v.Folder)
	if err != nil {
		return err
	}
	connections, err := host.OpenConnections(v.Connections)
	if err != nil {
		return err
	}
	cluster := &pve.Cluster{Context: contexts.Clusters[0], Connections: connections, Timeout: 20 * time.Second}
	s := guestrestore.Source{Folder: folder, Subject: v.Subject, Set: catalog.Set{Manifest: v.Manifest}, Keys: []age.Identity{key}}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if v.Drill {
		_, err = (&guestrestore.Drill{
			Cluster: cluster, Memory: guestset.Memory(v.Memory), Tell: &tell.Teller{W: os.Stderr}, First: v.ID, Last: v.ID, Ready: time.Minute,
		}).Do(ctx, s)
		return err
	}
	slow := &dawdling{Source: s, begun: make(chan struct{})}
	_, err = (&guestrestore.Restore{Cluster: cluster, Memory: guestset.Memory(v.Memory), Tell: &tell.Teller{W: os.Stderr}, ID: v.ID}).Do(ctx, slow.source())
	return err
}

// However a run is killed, with the machine's power or by hand, the next one
// takes away what it left, and nothing else.
func TestKilled(t *testing.T) {
	mustrun.Long(t)
	w := start(t)
	ok(t, w.AddVM(web()))
	ok(t, w.AddCT(pvetest.CT{ID: 200, Node: "tapia", Name: "dns", Files: map[string]string{"srv/zone": string(noise(2<<20, 9))}}))
	ok(t, w.SetFault("agent-900", "never"))
	for _, tt := range []struct {
		name  string
		id    int
		drill bool
		when  string // a call of the cluster
	}{
		{"restore", 100, false, "qmrestore - 900"},
		{"restore of a container", 200, false, "pct restore 900"},
		{"drill while it restores", 100, true, "qmrestore - 900"},
		{"drill before its first deed", 100, true, "set 900 --tags"},
		{"drill while it compares", 100, true, "pvesm path"},
		{"drill while it waits", 100, true, "guest cmd 900 ping"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := w.backup(t, tt.id, nil)
			self, err := os.Executable()
			ok(t, err)
			connections := filepath.Dir(w.Dir) // a socket's path is short
			text, err := json.Marshal(victim{
				tt.drill, filepath.Join(filepath.Dir(w.Dir), "madagascar.json"), connections, string(w.memory),
				s.dir, s.key.String(), s.Subject, s.Set.Manifest, 900,
			})
			ok(t, err)
			before, err := w.Calls()
			ok(t, err)
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), victimVariable+"="+string(text))
			said := &strings.Builder{}
			cmd.Stdout, cmd.Stderr = said, said
			ok(t, cmd.Start())
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			for ; ; time.Sleep(2 * time.Millisecond) {
				calls, err := w.Calls()
				ok(t, err)
				if slices.ContainsFunc(calls[len(before):], func(c string) bool { return strings.Contains(c, tt.when) }) {
					break
				}
				select {
				case err := <-ended:
					t.Fatalf("it does not come to %s: %v:\n%s", tt.when, err, said)
				default:
				}
			}
			ok(t, cmd.Process.Kill())
			<-ended
			for _, node := range pvetest.Nodes() {
				ok(t, w.CutConnections(node)) // as the power of our machine would
			}
			ok(t, w.Quiet(20*time.Second))
			err = guestrestore.Sweep(soon(t), w.cluster, w.memory, w.tell)
			if tt.when == "set 900 --tags" && err != nil {
				// Whole, and not marked yet: it is named, and left to a person.
				fails(t, err, "guest 900 on baobab: does not look like what a drill has made")
				ok(t, errors.Join(w.Remove(900), guestrestore.Sweep(soon(t), w.cluster, w.memory, w.tell)))
			} else {
				ok(t, err)
			}
			w.clean(t, 900)
			if w.has(t, 100) == "" || w.has(t, 200) == "" {
				t.Error("an original is gone")
			}
		})
	}
}
