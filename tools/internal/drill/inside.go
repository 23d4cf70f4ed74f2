package drill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/railiance/railiance/tools/internal/host/sandbox"
	"github.com/railiance/railiance/tools/internal/tell"
)

// The descriptors that the process inside is started with.
const (
	fdRequest = 3 + iota
	fdReport
	fdLife
	fdDatastore
)

const requestLimit = 1 << 30 // bytes; a server's folders have some megabytes

// Inside is the other half of a drill: it runs in the process that Do starts.
// Called by anybody else it returns an error and has done nothing.
func Inside(ctx context.Context) error {
	var req request
	asked := os.NewFile(fdRequest, "request")
	_, err := asked.Seek(0, io.SeekStart)
	if err == nil {
		err = json.NewDecoder(io.LimitReader(asked, requestLimit)).Decode(&req)
	}
	if err != nil || req.Server == nil {
		return errors.New("nothing was asked for: this is the inner half of drill, which calls it by itself")
	}
	if err := errors.Join(asked.Close(), sandbox.Enter(req.Sandbox)); err != nil {
		return err
	}
	// Whoever goes first holds it to the end: the process must not end under the
	// hands of the one that is emptying the folder.
	var leaving sync.Mutex
	leave := func() {
		leaving.Lock()
		empty(req.Sandbox)
		os.Exit(1)
	}
	defer context.AfterFunc(ctx, leave)()
	go func() {
		_, _ = os.NewFile(fdLife, "life").Read(make([]byte, 1))
		leave()
	}()
	r := &reporter{json.NewEncoder(os.NewFile(fdReport, "report"))}
	err = rehearse(ctx, &req, r)
	if err == nil {
		err = r.to.Encode(event{Done: true})
	}
	leaving.Lock()
	if err != nil { // nobody listens: there may be nobody to empty it either
		empty(req.Sandbox)
	}
	return err
}

// empty ends all that we started and removes plaintext from the disk. What is
// in memory needs nobody: it goes when this process does.
func empty(o sandbox.Options) {
	if o.Disk == "" {
		return
	}
	_ = unix.Kill(-1, unix.SIGKILL) // all but us: nothing is written anymore
	entries, _ := os.ReadDir(sandbox.Dir)
	for _, e := range entries {
		_ = os.RemoveAll(filepath.Join(sandbox.Dir, e.Name()))
	}
}

// rehearse starts the engine and asks it. What is found wrong is reported; the
// error is for a report that cannot be given.
func rehearse(ctx context.Context, req *request, r *reporter) error {
	begin := time.Now()
	e := newEngine(req)
	if err := r.say("restoring the datastore in a sandbox"); err != nil {
		return err
	}
	if err := e.restore(ctx); err != nil {
		return r.add(bad("restore", req.Kind, err))
	}
	if err := r.add(good("restore", req.Kind)); err != nil {
		return err
	}
	if err := r.say("starting k3s on it"); err != nil {
		return err
	}
	if err := e.start(ctx); err != nil {
		return r.add(bad("ready", "k3s", err))
	}
	took := time.Since(begin)
	c := good("ready", "k3s")
	c.Verdict = fmt.Sprintf("ok, after %.1f s", took.Seconds())
	if err := errors.Join(r.add(c), r.to.Encode(event{Ready: &took}), r.say("asking it for what was saved")); err != nil {
		return err
	}
	for _, ask := range []func(context.Context, api, *request, *reporter) error{
		countBuiltin, countCustom, readSecrets, compareReleases, tryKubeconfigs,
	} {
		if err := ask(ctx, e.api(), req, r); err != nil {
			return err
		}
	}
	return nil
}

// reporter tells the process outside.
type reporter struct{ to *json.Encoder }

func (r *reporter) say(what string) error { return r.to.Encode(event{Say: what}) }

func (r *reporter) add(c Check) error {
	return r.to.Encode(event{Check: &c, Bad: c.Err != nil, Hints: tell.Hints(c.Err)})
}
