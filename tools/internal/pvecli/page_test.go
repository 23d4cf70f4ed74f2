package pvecli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/railiance/railiance/tools/internal/mustrun"
)

// page types what README.md of the layer tells an operator to type, block by
// block, as the page is read: page.
func page(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: page")
	}
	layers := filepath.Join("..", "..", "..", "layers")
	text, err := os.ReadFile(filepath.Join(layers, "madagascar", "README.md"))
	ts.Check(err)
	blocks := regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 4 {
		ts.Fatalf("the page has %d blocks: this test has gone blind", len(blocks))
	}
	for _, file := range []string{"common.mk", "madagascar/Makefile"} {
		b, err := os.ReadFile(filepath.Join(layers, filepath.FromSlash(file)))
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(filepath.Join("repo", "layers", filepath.FromSlash(file))), b, 0o600))
	}
	ts.Setenv("BIN", filepath.Dir(lookPath(ts, "pve-vm-backup")))
	ts.Setenv("NAS", ts.MkAbs("sites/disk"))
	for _, block := range blocks {
		for line := range strings.Lines(block[1]) {
			if sets, _ := filepath.Glob(ts.MkAbs("sites/disk/vm-100/manifest-*.json")); len(sets) > 0 {
				ts.Setenv("SET", filepath.Base(sets[0]))
			}
			line = strings.ReplaceAll(line, "/root/", ts.MkAbs("home")+"/")
			ts.Logf("$ %s", line)
			ts.Check(ts.Exec("unshare", "--mount", "sh", "-e", "-c", "mount -t tmpfs cron /etc/cron.d; cd \"$WORK/repo\"; "+line))
		}
	}
}

func lookPath(ts *testscript.TestScript, name string) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		path := filepath.Join(dir, name)
		if _, err := exec.LookPath(path); err == nil {
			return path
		}
	}
	ts.Fatalf("%s is not in PATH", name)
	return ""
}

// TestPage needs root, for a folder of cron's that is not the machine's.
func TestPage(t *testing.T) {
	mustrun.Root(t)
	runCluster(t, "page")
}
