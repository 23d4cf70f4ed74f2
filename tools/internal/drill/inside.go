package drill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/railiance/railiance/tools/internal/host/sandbox"
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
	// When we end, the kernel ends all that we started: there is nothing to wait
	// for, neither when we are asked to stop nor when the other side is gone.
	defer context.AfterFunc(ctx, func() { os.Exit(1) })()
	go func() {
		_, _ = os.NewFile(fdLife, "life").Read(make([]byte, 1))
		os.Exit(1)
	}()
	r := &reporter{json.NewEncoder(os.NewFile(fdReport, "report"))}
	if err := rehearse(ctx, &req, r); err != nil {
		return err
	}
	return r.to.Encode(event{Done: true})
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

func (r *reporter) add(c Check) error { return r.to.Encode(event{Check: &c, Bad: c.Err != nil}) }
