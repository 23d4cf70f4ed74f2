package recovery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/tell"
)

const (
	stopTimeout  = 5 * time.Minute
	startTimeout = 15 * time.Minute
	askTimeout   = 20 * time.Second
	answerLimit  = 8 << 20 // bytes of an API answer: two of the largest objects with their JSON
	poll         = time.Second
)

// active is what systemd says of k3s: active, inactive, failed, activating …
func (r *Restore) active(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	out, err := host.Output(ctx, host.Command{Args: []string{"systemctl", "is-active", r.Layer.K3s.Service}}, 1<<10)
	// It exits 3 or 4 for everything but active, and says what.
	var exit *host.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.Code > 0) {
		return "", tell.Hint(err, "this restore stops and starts k3s with systemctl; RESTORE.md restores without it")
	}
	return strings.TrimSpace(string(out)), nil
}

func (r *Restore) stop(ctx context.Context) error {
	was, err := r.active(ctx)
	if err != nil {
		return err
	}
	if err := r.halt(ctx, was); err != nil {
		return err
	}
	if !exists(r.Layer.K3s.Kubeconfig) {
		return nil // kubectl would ask somebody else
	}
	// One that was started otherwise would write into what we take away.
	if _, err := r.ask(ctx, "/readyz"); err == nil {
		return tell.Hint(errors.New("a k3s server still answers after systemctl stop"),
			"stop it in the way that it was started; k3s.kubeconfig in layer.yaml must be that of this server")
	}
	return nil
}

// stopped says whether k3s is stopped by what systemd says of it. One that
// systemd keeps restarting is "activating", and is not.
func stopped(is string) bool {
	return is == "inactive" || is == "failed" || is == "unknown" || is == ""
}

func (r *Restore) halt(ctx context.Context, was string) error {
	if stopped(was) {
		return nil
	}
	stopping, cancel := context.WithTimeoutCause(ctx, stopTimeout, fmt.Errorf("it took longer than %s", stopTimeout))
	defer cancel()
	if err := host.Run(stopping, host.Command{Args: []string{"systemctl", "stop", r.Layer.K3s.Service}}); err != nil {
		return err
	}
	is, err := r.active(ctx)
	if err != nil {
		return err
	}
	if !stopped(is) {
		return tell.Hint(fmt.Errorf("%s is %s after systemctl stop", r.Layer.K3s.Service, host.Printable(is)), "systemctl status %s says who starts it", r.Layer.K3s.Service)
	}
	return nil
}

func (r *Restore) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("it took longer than %s", startTimeout))
	defer cancel()
	err := host.Run(ctx, host.Command{Args: []string{"systemctl", "start", r.Layer.K3s.Service}})
	return tell.Hint(err, "journalctl -u %s says why", r.Layer.K3s.Service)
}

func (r *Restore) patience() time.Duration { return cmp.Or(r.Ready, DefaultReady) }

// ready waits until the API server says that it is.
func (r *Restore) ready(ctx context.Context) error {
	limit := r.patience()
	begin, told := time.Now(), time.Now()
	for {
		_, err := r.ask(ctx, "/readyz")
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if time.Since(begin) > limit {
			return tell.Hint(fmt.Errorf("the API server is not ready after %s: %w", limit, err), "journalctl -u %s says why; an encryption key that is missing looks like this", r.Layer.K3s.Service)
		}
		if time.Since(told) > 30*time.Second {
			told = time.Now()
			r.Tell.Say("", "not ready yet, %s", time.Since(begin).Round(time.Second))
		}
		select {
		case <-ctx.Done():
		case <-time.After(poll):
		}
	}
}

// ask asks the API server of this machine.
func (r *Restore) ask(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return host.Output(ctx, host.Command{
		Args: []string{"k3s", "kubectl", "get", "--raw", path},
		Env:  []string{"KUBECONFIG=" + r.Layer.K3s.Kubeconfig},
	}, answerLimit)
}
