package drill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/host/sandbox"
	"github.com/railiance/railiance/tools/internal/opening"
	"github.com/railiance/railiance/tools/internal/tell"
)

// request is what the process inside is told. It goes through memory, not
// through argv or the environment: it holds the server token.
type request struct {
	Sandbox     sandbox.Options
	Ready       time.Duration
	Kind        string // of the datastore
	Server      *server
	Saved       catalog.Contents            // of the datastore
	Helm        map[string]catalog.Contents // of each asset of that kind
	Kubeconfigs map[string][]byte           // by asset
}

// event is what the process inside reports: exactly one of these.
type event struct {
	Say   string         `json:",omitempty"`
	Check *Check         `json:",omitempty"`
	Bad   bool           `json:",omitempty"` // the check failed
	Hints []string       `json:",omitempty"` // and what can be done
	Ready *time.Duration `json:",omitempty"` // it took k3s this long to be ready
	Done  bool           `json:",omitempty"`
}

const eventsLimit = 64 << 20 // bytes of all events together

// boot starts k3s on the opened set and lets it be asked. It returns how long
// it took until k3s was ready.
func (d *Drill) boot(ctx context.Context, r *room, opened files, t *tally) (time.Duration, error) {
	datastore, _ := d.datastore()
	req, err := d.request(r, opened, datastore)
	if err != nil {
		return 0, t.add(bad("restore", datastore.Name, err))
	}
	asked, err := opening.InMemory("request")
	if err != nil {
		return 0, err
	}
	defer asked.Close()
	if err := json.NewEncoder(asked).Encode(req); err != nil {
		return 0, err
	}
	// Our end of life: the other end shows when we are gone.
	life, ours, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer ours.Close()
	events, report, err := os.Pipe()
	if err != nil {
		return 0, errors.Join(err, life.Close())
	}
	defer events.Close()

	attributes := sandbox.Attributes()
	if r.disk != "" {
		attributes.Pdeathsig = 0 // it has a folder to empty before it ends
	}
	// The kernel kills the child when the thread that started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	process, err := host.Start(ctx, host.Command{
		Args: d.Self, Bare: true, Env: []string{"PATH=" + os.Getenv("PATH")},
		Group: attributes,
		Files: []*os.File{asked, report, life, opened[datastore.Asset]},
	})
	if err := errors.Join(err, report.Close(), life.Close()); err != nil {
		return 0, tell.Hint(fmt.Errorf("start the sandbox: %w", err),
			"where root may not make namespaces (in some containers), --contents-only does without")
	}
	ready, done, err := d.follow(events, t)
	if err != nil {
		_ = process.Signal(syscall.SIGKILL) // it would wait for a reader
	}
	ended := process.Wait()
	if ctx.Err() != nil {
		return 0, fmt.Errorf("stopped: %w", context.Cause(ctx))
	}
	if err == nil && !done && ended == nil {
		ended = errors.New("it ended before its work was done")
	}
	if err := errors.Join(err, ended); err != nil {
		return 0, fmt.Errorf("inside the sandbox: %w", err)
	}
	return ready, nil
}

// follow passes on what is reported until the other side ends.
func (d *Drill) follow(events io.Reader, t *tally) (ready time.Duration, done bool, err error) {
	decoder := json.NewDecoder(io.LimitReader(events, eventsLimit))
	for {
		var e event
		if err := decoder.Decode(&e); err == io.EOF {
			return ready, done, nil
		} else if err != nil {
			return 0, false, fmt.Errorf("its report: %w", err)
		}
		switch {
		case e.Say != "":
			d.Tell.Say("", "%s", host.Printable(e.Say))
		case e.Check != nil:
			if e.Bad {
				e.Check.Err = errors.New(e.Check.Verdict)
				for _, hint := range e.Hints {
					e.Check.Err = tell.Hint(e.Check.Err, "%s", hint)
				}
			}
			if err := t.add(*e.Check); err != nil {
				return 0, false, err
			}
		case e.Ready != nil:
			ready = *e.Ready
		case e.Done:
			done = true
		}
	}
}

func (d *Drill) request(r *room, opened files, datastore catalog.Artifact) (*request, error) {
	outside, err := sandbox.Here()
	if err != nil {
		return nil, err
	}
	server, err := d.server(opened, datastore)
	if err != nil {
		return nil, err
	}
	_, ipv6 := server.families()
	req := &request{
		Sandbox: sandbox.Options{Outside: outside, Memory: r.size, Disk: r.disk, IPv6: ipv6},
		Ready:   d.Ready, Kind: datastore.Kind, Server: server, Saved: datastore.Contents,
		Helm: map[string]catalog.Contents{}, Kubeconfigs: map[string][]byte{},
	}
	for _, a := range d.Set.Artifacts {
		switch a.Kind {
		case asset.KindHelmValues:
			req.Helm[a.Asset] = a.Contents
		case asset.KindKubeconfig:
			f := opened[a.Asset]
			if _, err := f.Seek(0, io.SeekStart); err != nil {
				return nil, err
			}
			b, err := io.ReadAll(io.LimitReader(f, kubeconfigLimit))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", a.Name, err)
			}
			req.Kubeconfigs[a.Asset] = b
		}
	}
	return req, nil
}

const kubeconfigLimit = 4 << 20 // bytes
