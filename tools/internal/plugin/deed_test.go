package plugin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/shell"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/tell"
)

const secret = "/5ec4e7-0f-the-check"

// watched is a layer with a dead-man service and a metrics folder, and what
// they and the story got to hear.
type watched struct {
	layer *layer.Layer
	shell *Shell
	story *bytes.Buffer

	mu    sync.Mutex
	pings []string
}

func watch(t *testing.T, answer int) *watched {
	t.Helper()
	dir := t.TempDir()
	w := &watched{story: &bytes.Buffer{}}
	service := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.pings = append(w.pings, strings.Replace(r.URL.Path, secret, "base", 1))
		rw.WriteHeader(answer)
	}))
	t.Cleanup(service.Close)
	w.layer = &layer.Layer{
		Name: "cluster", Backups: filepath.Join(dir, "backups"), Signers: filepath.Join(dir, "allowed_signers"),
		Metrics: filepath.Join(dir, "metrics"), PingURL: filepath.Join(dir, "ping-url"),
	}
	for _, made := range []string{w.layer.Backups, w.layer.Metrics} {
		if err := os.Mkdir(made, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(w.layer.PingURL, []byte(service.URL+secret), 0o600); err != nil {
		t.Fatal(err)
	}
	w.shell = &Shell{Shell: &shell.Shell{Program: "test", Now: time.Now, Tell: &tell.Teller{Program: "test", Layer: "cluster", W: w.story}}}
	return w
}

func (w *watched) metrics(t *testing.T, deed string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(w.layer.Metrics, "railiance_cluster_"+deed+".prom"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(b)
}

func TestDeedTellsThoseWhoWatch(t *testing.T) {
	trouble := errors.New("trouble")
	held := fmt.Errorf("lock: %w", state.ErrHeld)
	for _, tt := range []struct {
		deed  string
		err   error
		pings []string
		ok    string // of the metrics; "" for none written
	}{
		{Backup, nil, []string{"base/start", "base"}, "1"},
		{Backup, trouble, []string{"base/start", "base/fail"}, "0"},
		{Backup, held, []string{"base/start"}, ""},
		{Verify, nil, nil, "1"},
		{Verify, trouble, []string{"base/fail"}, "0"},
		{Drill, nil, nil, "1"},
		{Drill, trouble, []string{"base/fail"}, "0"},
		{Drill, held, nil, ""},
	} {
		t.Run(fmt.Sprintf("%s, %v", tt.deed, tt.err), func(t *testing.T) {
			w := watch(t, http.StatusOK)
			err := w.shell.Deed(t.Context(), w.layer, tt.deed, func(context.Context) error { return tt.err })
			if err != tt.err {
				t.Errorf("the deed's error became %v", err)
			}
			if !slices.Equal(w.pings, tt.pings) {
				t.Errorf("pinged %v, not %v", w.pings, tt.pings)
			}
			got := w.metrics(t, tt.deed)
			if want := fmt.Sprintf("railiance_last_run_success{layer=\"cluster\",deed=%q} %s\n", tt.deed, tt.ok); tt.ok != "" && !strings.Contains(got, want) || tt.ok == "" && got != "" {
				t.Errorf("metrics: want %q in:\n%s", want, got)
			}
			if w.story.Len() > 0 {
				t.Errorf("told: %s", w.story)
			}
		})
	}
}

// Whoever watches must not be able to stop what they watch.
func TestTellingFailsNoDeed(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(*testing.T, *watched)
		told  string
	}{
		{"the service does not know the check", func(t *testing.T, w *watched) {}, "warning: ping: the service answered 404"},
		{"the file of the URL is missing", func(t *testing.T, w *watched) { remove(t, w.layer.PingURL) }, "warning: ping url: "},
		{"the URL can be read by others", func(t *testing.T, w *watched) {
			if err := os.Chmod(w.layer.PingURL, 0o644); err != nil {
				t.Fatal(err)
			}
		}, "chmod 0600"},
		{"the metrics folder is missing", func(t *testing.T, w *watched) { remove(t, w.layer.Metrics) }, "warning: metrics: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := watch(t, http.StatusNotFound)
			tt.spoil(t, w)
			if err := w.shell.Deed(t.Context(), w.layer, Backup, func(context.Context) error { return nil }); err != nil {
				t.Errorf("it failed the backup: %v", err)
			}
			if !strings.Contains(w.story.String(), tt.told) {
				t.Errorf("want %q in:\n%s", tt.told, w.story)
			}
			if strings.Contains(w.story.String(), secret) || strings.Contains(w.story.String(), "127.0.0.1") {
				t.Errorf("the story tells the URL:\n%s", w.story)
			}
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func TestStoppedDeedIsToldOf(t *testing.T) {
	w := watch(t, http.StatusOK)
	ctx, stop := context.WithCancel(t.Context())
	_ = w.shell.Deed(ctx, w.layer, Backup, func(ctx context.Context) error {
		stop()
		return ctx.Err()
	})
	if want := []string{"base/start", "base/fail"}; !slices.Equal(w.pings, want) {
		t.Errorf("pinged %v, not %v", w.pings, want)
	}
	if got := w.metrics(t, Backup); !strings.Contains(got, "last_run_success{layer=\"cluster\",deed=\"backup\"} 0") {
		t.Errorf("metrics:\n%s", got)
	}
}

func TestFailedRunKeepsTheTimeOfTheLastSuccess(t *testing.T) {
	w := watch(t, http.StatusOK)
	at := time.Unix(1795226400, 0)
	if err := state.WriteStamp(w.layer.Backups, state.VerifyStamp, state.Stamp{Deed: Verify, Time: at}); err != nil {
		t.Fatal(err)
	}
	_ = w.shell.Deed(t.Context(), w.layer, Verify, func(context.Context) error { return errors.New("trouble") })
	if got := w.metrics(t, Verify); !strings.Contains(got, "railiance_last_verify_timestamp_seconds{layer=\"cluster\"} 1795226400\n") {
		t.Errorf("metrics:\n%s", got)
	}
}

func TestNothingIsToldWhereNothingIsConfigured(t *testing.T) {
	w := watch(t, http.StatusOK)
	metrics := w.layer.Metrics
	w.layer.Metrics, w.layer.PingURL = "", ""
	if err := w.shell.Deed(t.Context(), w.layer, Backup, func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(metrics); err != nil || len(files) > 0 || len(w.pings) > 0 || w.story.Len() > 0 {
		t.Errorf("told %v, %v, %v, %s", files, err, w.pings, w.story)
	}
}
