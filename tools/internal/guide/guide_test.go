package guide

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/layer"
)

func odd() *layer.Layer {
	k := asset.DefaultK3s()
	k.DataDir = "/srv/its $(touch planted) \"k3s\" `x` } \\ {{etcd}}"
	return &layer.Layer{Name: "cluster", Dir: "/srv/a repo", Signers: "/srv/allowed signers", K3s: k}
}

func TestPagesAreFilled(t *testing.T) {
	dir := t.TempDir()
	if err := WriteRestorePage(dir, odd()); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, RestorePage))
	if err != nil {
		t.Fatal(err)
	}
	for _, facts := range []Facts{
		{},
		{Set: "20261121T020000Z", FromFlag: true, SQLite: true, Version: "k3s version v1", Others: true},
	} {
		facts.Layer, facts.Backups = odd(), "/opt/backup"
		var out strings.Builder
		if err := Machine(&out, facts); err != nil {
			t.Fatal(err)
		}
		if sqlite := strings.Contains(out.String(), "state-db-$SET.db"); sqlite != facts.SQLite {
			t.Errorf("the steps of SQLite are there: %v, want %v", sqlite, facts.SQLite)
		}
		if others := strings.Contains(out.String(), "each of the other servers"); others != facts.Others {
			t.Errorf("the other servers are told of: %v, want %v", others, facts.Others)
		}
		for line := range strings.Lines(out.String()) {
			// What reads the sets has to be told where they are.
			reads := strings.Contains(line, "make -C") && !strings.Contains(line, "BACK=1")
			if told := strings.HasSuffix(line, " FROM=\"/opt/backup\"\n"); told != (reads && facts.FromFlag) {
				t.Errorf("FROM is told: %v, by %q", told, line)
			}
		}
		page = append(page, out.String()...)
	}
	// Of our own places none is left; what looks like one in a path stays.
	left := strings.ReplaceAll(string(page), "{{etcd}}", "")
	if strings.Contains(left, "{{") {
		t.Errorf("a place was not filled: %.80s", left[strings.Index(left, "{{"):])
	}
	for _, block := range []string{"ssh-keygen -Y verify", "age -d", "--cluster-reset-restore-path", "state.db"} {
		if !strings.Contains(string(page), block) {
			t.Errorf("no page says %q", block)
		}
	}
}

// A path with anything in it reaches the commands as it is.
func TestPathsAreQuoted(t *testing.T) {
	values := settings(odd())
	values["backups"], values["signers"], values["newest-set"] = "$PWD", "$HOME/s", "20261121T020000Z"
	where, err := replace(blocks(string(mustRead(t, "commands.sh")))["where"], values, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, shell := range []string{"sh", "bash"} {
		cmd := exec.Command(shell, "-euc", where+"\nprintf '\\n==%s' \"$DATA\"")
		cmd.Dir = t.TempDir()
		cmd.Env = append(os.Environ(), "HOME="+cmd.Dir)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", shell, err, where)
		}
		if _, got, _ := strings.Cut(string(out), "\n=="); got != odd().K3s.DataDir {
			t.Errorf("%s: %q, want %q", shell, got, odd().K3s.DataDir)
		}
		if _, err := os.Stat(filepath.Join(cmd.Dir, "planted")); err == nil {
			t.Errorf("%s ran what stood in a path", shell)
		}
	}
}

func mustRead(t *testing.T, name string) []byte {
	t.Helper()
	b, err := texts.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
