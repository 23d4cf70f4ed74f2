package metrics

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/state"
)

var night = time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)

func run(deed string, ok bool) Run {
	return Run{Layer: "cluster", Deed: deed, OK: ok, End: night.Add(90 * time.Second), Took: 90*time.Second + 250*time.Millisecond}
}

// facts are two nights: in the newer one an asset failed.
func facts() Facts {
	set := func(n int64, at time.Time, failed string, assets ...string) catalog.Set {
		m := &catalog.Manifest{Sequence: n, Time: at, Findings: []catalog.Finding{{Asset: "kubeconfig", What: "it expires"}}}
		for _, a := range assets {
			m.Artifacts = append(m.Artifacts, catalog.Artifact{Asset: a, Size: 1000 + n, Seconds: 1.5})
		}
		if failed != "" {
			m.Failures = []catalog.Failure{{Asset: failed, What: "x"}, {Asset: failed, What: "y"}}
		}
		return catalog.Set{Manifest: m}
	}
	return Facts{
		Stamp: &state.Stamp{Time: night.AddDate(0, 0, -1), Seconds: 61, Proof: "booted"},
		Known: true,
		Sets: []catalog.Set{
			set(8, night, "helm-values", "etcd", "helm-values"),
			set(7, night.AddDate(0, 0, -1), "", "etcd", "helm-values"),
		},
		Untrusted: 2,
	}
}

const backupPage = `railiance_last_run_timestamp_seconds{layer="cluster",deed="backup"} 1795226490
railiance_last_run_success{layer="cluster",deed="backup"} 0
railiance_last_run_duration_seconds{layer="cluster",deed="backup"} 90.25
railiance_last_success_timestamp_seconds{layer="cluster"} 1795140000
railiance_asset_last_success_timestamp_seconds{layer="cluster",asset="etcd"} 1795226400
railiance_asset_last_success_timestamp_seconds{layer="cluster",asset="helm-values"} 1795140000
railiance_asset_size_bytes{layer="cluster",asset="etcd"} 1008
railiance_asset_size_bytes{layer="cluster",asset="helm-values"} 1007
railiance_asset_duration_seconds{layer="cluster",asset="etcd"} 1.5
railiance_asset_duration_seconds{layer="cluster",asset="helm-values"} 1.5
railiance_complete_sets{layer="cluster"} 1
railiance_untrusted_manifests{layer="cluster"} 2
railiance_asset_failed{layer="cluster",asset="helm-values"} 1
railiance_findings{layer="cluster"} 1
railiance_set_sequence{layer="cluster"} 8
`

// values are the lines of a page that are no comments.
func values(page string) string {
	var b strings.Builder
	for line := range strings.Lines(page) {
		if !strings.HasPrefix(line, "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func TestPages(t *testing.T) {
	unread := facts()
	unread.Known = false
	for _, tt := range []struct {
		name  string
		run   Run
		facts Facts
		want  string
	}{
		{"a partial backup keeps the time of the last success", run("backup", false), facts(), backupPage},
		{"sets that could not be read are not told as none", run("backup", false), unread, strings.Join(strings.SplitAfter(backupPage, "\n")[:4], "")},
		{"what never succeeded is absent, not 1970", run("verify", false), Facts{}, `railiance_last_run_timestamp_seconds{layer="cluster",deed="verify"} 1795226490
railiance_last_run_success{layer="cluster",deed="verify"} 0
railiance_last_run_duration_seconds{layer="cluster",deed="verify"} 90.25
`},
		{"a drill", run("drill", true), facts(), `railiance_last_run_timestamp_seconds{layer="cluster",deed="drill"} 1795226490
railiance_last_run_success{layer="cluster",deed="drill"} 1
railiance_last_run_duration_seconds{layer="cluster",deed="drill"} 90.25
railiance_last_drill_timestamp_seconds{layer="cluster"} 1795140000
railiance_last_drill_restore_seconds{layer="cluster"} 61
railiance_last_drill_booted{layer="cluster"} 1
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := page(tt.run, tt.facts)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, values(string(got))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWriteIsReadableByTheCollector(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077)) // as every executable of ours sets it
	dir := t.TempDir()
	for range 2 {
		if err := Write(dir, run("backup", true), facts()); err != nil {
			t.Fatal(err)
		}
	}
	if err := Write(dir, run("verify", true), facts()); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, f.Name()+" "+info.Mode().String())
	}
	want := []string{"railiance_cluster_backup.prom -rw-r--r--", "railiance_cluster_verify.prom -rw-r--r--"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}

func TestWriteRefuses(t *testing.T) {
	if err := Write(filepath.Join(t.TempDir(), "none"), run("backup", true), facts()); err == nil || !strings.Contains(err.Error(), "textfile.directory") {
		t.Errorf("a missing folder: %v", err)
	}
	if err := Write(t.TempDir(), run("dance", true), facts()); err == nil {
		t.Error("an unknown deed was told of")
	}
}

// hostile is a label that would end its line, its quotes or the file's UTF-8.
const hostile = "a\"} 1\nrailiance_last_run_success{x=\"\\ \xff"

func TestPromtoolReadsThePages(t *testing.T) {
	promtool := mustrun.Command(t, "promtool")
	bad := facts()
	bad.Sets[0].Artifacts[0].Asset = hostile
	bad.Sets[0].Failures[0].Asset = hostile
	for _, deed := range []string{"backup", "verify", "drill"} {
		got, err := page(run(deed, true), bad)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(promtool, "check", "metrics")
		cmd.Stdin = strings.NewReader(string(got))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s\n%s", deed, err, out, got)
		}
		if n := strings.Count(string(got), "\nrailiance_last_run_success{"); n != 1 {
			t.Errorf("%s: a label forged a sample:\n%s", deed, got)
		}
	}
}

func TestAlerts(t *testing.T) {
	promtool := mustrun.Command(t, "promtool")
	rules, err := filepath.Abs("../../../alerts/railiance.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(promtool, "check", "rules", rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	// The file of nights names the rules by a path relative to itself.
	dir := t.TempDir()
	nights, err := os.ReadFile("testdata/nights.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(rules, filepath.Join(dir, "railiance.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "nights.yaml"), nights, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(promtool, "test", "rules", "nights.yaml")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// A rule over a metric that nobody writes never fires.
func TestAlertsAskForMetricsThatAreWritten(t *testing.T) {
	rules, err := os.ReadFile("../../../alerts/railiance.yaml")
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	for _, deed := range []string{"backup", "verify", "drill"} {
		got, err := page(run(deed, true), facts())
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(values(string(got))) {
			name, _, _ := strings.Cut(line, "{")
			written[name] = true
		}
	}
	asked := 0
	for word := range strings.FieldsFuncSeq(string(rules), func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
		if strings.HasPrefix(word, "railiance_") {
			asked++
			if !written[word] {
				t.Errorf("no deed writes %s", word)
			}
		}
	}
	if asked < 10 {
		t.Errorf("found only %d metrics in the rules", asked)
	}
}
