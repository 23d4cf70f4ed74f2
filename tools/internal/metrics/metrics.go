// Package metrics tells Prometheus how the deeds of a layer went, as files for
// node_exporter's textfile collector.
//
// The one thing to know: each deed has a file of its own and replaces it whole,
// from the stamp, the manifests and the run that just ended. So there is
// nothing to merge, a drill that ends beside a backup disturbs nobody, and a
// failed run keeps the time of the last success.
package metrics

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/state"
)

// Run is a deed that just ended.
type Run struct {
	Layer string
	Deed  string // backup, verify, drill
	OK    bool
	End   time.Time
	Took  time.Duration
}

// Facts are what the backup folder holds after the run.
type Facts struct {
	Stamp     *state.Stamp  // of this deed; nil: it never succeeded
	Known     bool          // whether the two below could be read; used for a backup alone
	Sets      []catalog.Set // trusted, the newest first
	Untrusted int           // manifests that are not to be trusted
	Copies    []Copy        // of a layer whose sets lie in sites
}

// Copy is the newest whole artifact of an asset in one site.
type Copy struct {
	Asset, Site string
	Time        time.Time
	Size        int64   // bytes, encrypted
	Seconds     float64 // that it took
}

// Write replaces the file of the run's deed in the folder dir, which must
// exist. It is readable by everybody: the collector has an account of its own.
func Write(dir string, run Run, facts Facts) error {
	page, err := page(run, facts)
	if err != nil {
		return err
	}
	if info, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return fmt.Errorf("metrics: %s is not a folder: make it, and name it to node_exporter by --collector.textfile.directory", dir)
	}
	if err := state.ReplaceBytes(filepath.Join(dir, FileName(run.Layer, run.Deed)), page, 0o644); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// FileName is the name of the file of a deed; the collector reads *.prom.
func FileName(layer, deed string) string { return "railiance_" + layer + "_" + deed + ".prom" }

func page(run Run, facts Facts) ([]byte, error) {
	layer := label{"layer", run.Layer}
	both := []label{layer, {"deed", run.Deed}}
	var w writer
	w.gauge("railiance_last_run_timestamp_seconds", "When the deed last ended, well or not.", sample{both, seconds(run.End)})
	w.gauge("railiance_last_run_success", "Whether the last run of the deed succeeded.", sample{both, truth(run.OK)})
	w.gauge("railiance_last_run_duration_seconds", "How long the last run of the deed took.", sample{both, run.Took.Seconds()})
	switch run.Deed {
	case "backup":
		w.stamp("railiance_last_success_timestamp_seconds", "When a backup was last complete.", layer, facts.Stamp)
		if facts.Known {
			w.sets(layer, facts)
		}
		w.copies(layer, facts.Copies)
	case "verify":
		w.stamp("railiance_last_verify_timestamp_seconds", "When every artifact of every set was last found whole.", layer, facts.Stamp)
	case "drill":
		w.stamp("railiance_last_drill_timestamp_seconds", "When a set was last restored in a rehearsal.", layer, facts.Stamp)
		if facts.Stamp != nil {
			w.gauge("railiance_last_drill_restore_seconds", "How long the last successful rehearsal took.", sample{[]label{layer}, facts.Stamp.Seconds})
			w.gauge("railiance_last_drill_booted", "Whether the real engine started from what was restored.", sample{[]label{layer}, truth(facts.Stamp.Proof == "booted")})
		}
	default:
		return nil, fmt.Errorf("metrics: %q is none of backup, verify, drill", run.Deed)
	}
	return w.b.Bytes(), nil
}

// sets tells what the folder holds: of every asset the newest whole artifact,
// and what the newest set lacks.
func (w *writer) sets(layer label, facts Facts) {
	var size, took, at, failed []sample
	found := map[string]bool{}
	for _, s := range facts.Sets {
		for _, a := range s.Artifacts {
			if found[a.Asset] || !s.Holds(a.Asset) {
				continue
			}
			found[a.Asset] = true
			labels := []label{layer, {"asset", a.Asset}}
			at = append(at, sample{labels, seconds(s.Time)})
			size = append(size, sample{labels, float64(a.Size)})
			took = append(took, sample{labels, a.Seconds})
		}
	}
	complete := 0
	for _, s := range facts.Sets {
		if s.Complete() {
			complete++
		}
	}
	alone := []label{layer}
	w.gauge("railiance_asset_last_success_timestamp_seconds", helpTime, at...)
	w.gauge("railiance_asset_size_bytes", helpSize, size...)
	w.gauge("railiance_asset_duration_seconds", helpTook, took...)
	w.gauge("railiance_complete_sets", "How many complete sets are kept.", sample{alone, float64(complete)})
	w.gauge("railiance_untrusted_manifests", "Manifests whose signature or text is not to be trusted.", sample{alone, float64(facts.Untrusted)})
	if len(facts.Sets) == 0 {
		return
	}
	newest := facts.Sets[0]
	lacks := map[string]bool{}
	for _, f := range newest.Failures {
		if !lacks[f.Asset] {
			lacks[f.Asset] = true
			failed = append(failed, sample{[]label{layer, {"asset", f.Asset}}, 1})
		}
	}
	w.gauge("railiance_asset_failed", "1 for each asset that the newest set lacks.", failed...)
	w.gauge("railiance_findings", "What the newest backup found that could spoil a restore.", sample{alone, float64(len(newest.Findings))})
	w.gauge("railiance_set_sequence", "Number of the newest set.", sample{alone, float64(newest.Sequence)})
}

// copies has the names of sets, so that one rule finds what is too old anywhere.
func (w *writer) copies(layer label, copies []Copy) {
	var size, took, at []sample
	for _, c := range copies {
		labels := []label{layer, {"asset", c.Asset}, {"site", c.Site}}
		at = append(at, sample{labels, seconds(c.Time)})
		size = append(size, sample{labels, float64(c.Size)})
		took = append(took, sample{labels, c.Seconds})
	}
	w.gauge("railiance_asset_last_success_timestamp_seconds", helpTime, at...)
	w.gauge("railiance_asset_size_bytes", helpSize, size...)
	w.gauge("railiance_asset_duration_seconds", helpTook, took...)
}

const (
	helpTime = "Time of the newest set that holds the asset whole."
	helpSize = "Size of the asset's newest artifact, encrypted."
	helpTook = "How long the asset's newest artifact took."
)

type label struct{ name, value string }

type sample struct {
	labels []label
	value  float64
}

// writer writes Prometheus's text format. Everything here is a gauge: a run
// that ends with its process has nothing to count up.
type writer struct{ b bytes.Buffer }

func (w *writer) stamp(name, help string, layer label, stamp *state.Stamp) {
	if stamp == nil {
		return // absent() is the alert for what never happened; 0 would be a lie about 1970
	}
	w.gauge(name, help, sample{[]label{layer}, seconds(stamp.Time)})
}

func (w *writer) gauge(name, help string, samples ...sample) {
	if len(samples) == 0 {
		return
	}
	fmt.Fprintf(&w.b, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name)
	for _, s := range samples {
		var labels []string
		for _, l := range s.labels {
			labels = append(labels, l.name+`="`+escape(l.value)+`"`)
		}
		fmt.Fprintf(&w.b, "%s{%s} %s\n", name, strings.Join(labels, ","), strconv.FormatFloat(s.value, 'f', -1, 64))
	}
}

// escape makes any text a label's value: one that breaks the format would make
// the collector drop the whole file.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.ToValidUTF8(s, "\uFFFD"))
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
