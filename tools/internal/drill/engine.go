package drill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/host/sandbox"
	"github.com/railiance/railiance/tools/internal/tell"
)

const (
	restoreLimit = 20 * time.Minute // of a cluster reset
	callLimit    = time.Minute      // of one call of the API
	probeLimit   = 10 * time.Second
	probePause   = 300 * time.Millisecond
)

// serverURL is where the API is inside.
const serverURL = "https://127.0.0.1:6443"

// engine is k3s on a scratch data directory.
type engine struct {
	kind   string
	server *server
	ready  time.Duration
	dir    string // scratch
}

func newEngine(req *request) *engine {
	return &engine{kind: req.Kind, server: req.Server, ready: req.Ready, dir: sandbox.Dir}
}

func (e *engine) path(parts ...string) string {
	return filepath.Join(append([]string{e.dir}, parts...)...)
}

func (e *engine) kubeconfig() string { return e.path("admin.yaml") }

// env is all of the environment of what runs inside. k3s looks for the folder
// of its unpacked programs in the data directory, for kubectl too.
func (e *engine) env() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + e.path("home"), "TMPDIR=" + e.path("tmp"),
		"K3S_CONFIG_FILE=" + e.path("config.yaml"), "K3S_DATA_DIR=" + e.path("data"),
		"KUBECONFIG=" + e.kubeconfig(),
	}
}

// restore puts the datastore in place as a real restore would.
func (e *engine) restore(ctx context.Context) error {
	if err := e.layOut(); err != nil {
		return err
	}
	if e.kind == asset.KindStateDB {
		return copyTo(e.path("data/server/db/state.db"), os.NewFile(fdDatastore, "datastore"))
	}
	ctx, cancel := context.WithTimeout(ctx, restoreLimit)
	defer cancel()
	return host.Run(ctx, host.Command{
		Args: []string{"k3s", "server", "--config", e.path("config.yaml"), "--cluster-reset", "--etcd-s3=false",
			// Process 1 is this one: the snapshot need not be copied.
			fmt.Sprintf("--cluster-reset-restore-path=/proc/1/fd/%d", fdDatastore)},
		Env: e.env(), Bare: true, Dir: e.dir,
	})
}

func copyTo(path string, from *os.File) error {
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return err
	}
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

// start starts the server and waits until it is ready. It then runs until this
// process ends.
func (e *engine) start(ctx context.Context) error {
	server, err := host.Start(ctx, host.Command{
		Args: []string{"k3s", "server", "--config", e.path("config.yaml")}, Env: e.env(), Bare: true, Dir: e.dir,
	})
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	late := time.NewTimer(e.ready)
	defer late.Stop()
	var refused error
	for {
		select {
		case err := <-ended:
			return fmt.Errorf("it did not stay up: %w", errors.Join(err, ctx.Err()))
		case <-late.C:
			return overdue(e.ready, refused, server.Said())
		case <-time.After(probePause):
		}
		if refused = e.probe(ctx); refused == nil {
			return nil
		}
	}
}

func (e *engine) probe(ctx context.Context) error {
	if _, err := os.Stat(e.kubeconfig()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	return e.api().get(ctx, "/readyz", func(r io.Reader) error {
		_, err := io.Copy(io.Discard, io.LimitReader(r, 1<<20))
		return err
	})
}

var unmet = regexp.MustCompile(`\[-\]([a-z0-9/-]+) failed`)

// overdue says what a server that does not get ready waits for.
func overdue(limit time.Duration, refused error, said string) error {
	waits := refused.Error()
	if found := unmet.FindAllStringSubmatch(waits, -1); found != nil {
		waits = "it waits for"
		for _, m := range found {
			waits += " " + m[1]
		}
	}
	err := fmt.Errorf("not ready after %s: %s; it said last: %s", limit, waits, said)
	if strings.Contains(said, "unable to transform key") || strings.Contains(said, "read encrypted data") {
		return tell.Hint(err, "the key that the Secrets are encrypted with is not in this set: a restore from it would end like this")
	}
	return tell.Hint(err, "--ready gives it more time")
}
