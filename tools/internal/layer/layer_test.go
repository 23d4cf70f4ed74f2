package layer

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/catalog"
)

// places are those of a machine that nobody has.
func places() Places { return Places{BackupRoot: "/backups", StateRoot: "/state", Home: "/home/me"} }

func shipped(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("../../../layers/cluster/layer.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What the shipped file says is what k3s's own installer does.
func TestTheShippedLayer(t *testing.T) {
	l, err := parse(shipped(t), "/repo/layers/x", places())
	if err != nil {
		t.Fatal(err)
	}
	if l.Name != "cluster" || l.Keep != (catalog.Keep{Last: 7}) || l.Backups != "/backups/cluster" || l.Seen != "/state/cluster.seen" {
		t.Errorf("%+v", l)
	}
	if !reflect.DeepEqual(l.K3s, asset.DefaultK3s()) || l.SignKey != "/etc/ssh/ssh_host_ed25519_key" {
		t.Errorf("%+v, signed with %s", l.K3s, l.SignKey)
	}
	timeouts := map[string]time.Duration{}
	for _, a := range l.Assets {
		timeouts[a.Name] = a.Timeout
	}
	if want := map[string]time.Duration{
		"k3s-server": 2 * time.Minute, "datastore": 30 * time.Minute, "helm-values": 5 * time.Minute, "kubeconfig": time.Minute,
	}; !reflect.DeepEqual(timeouts, want) {
		t.Errorf("timeouts %v, want %v", timeouts, want)
	}
	config, ok := l.Assets[3].Kind.(asset.Kubeconfig)
	if !ok || !reflect.DeepEqual(config.Paths, []string{"/home/me/.kube/config-hosteurope", "/etc/rancher/k3s/k3s.yaml"}) {
		t.Errorf("%+v", l.Assets[3])
	}
}

const head = "format: 1\nlayer: cluster\n"

const one = "assets:\n  - {name: a, kind: k3s-server}\n"

func TestDefaults(t *testing.T) {
	l, err := parse([]byte(head+one), "/repo/layers/x", Places{Home: "/root"})
	if err != nil {
		t.Fatal(err)
	}
	if l.Keep.Last != 7 || l.MaxAge != 26*time.Hour || l.Assets[0].Timeout != 30*time.Minute ||
		l.Backups != "/opt/backup/railiance/cluster" || l.Seen != "/var/lib/railiance/cluster.seen" {
		t.Errorf("%+v", l)
	}
	l, err = parse([]byte(head+"keep: {yearly: 2}\nk3s: {data-dir: ~/k3s}\nsign: ~/key\n"+one), "/repo/layers/x", places())
	if err != nil {
		t.Fatal(err)
	}
	if l.Keep != (catalog.Keep{Yearly: 2}) || l.K3s.DataDir != "/home/me/k3s" || l.SignKey != "/home/me/key" || l.K3s.Service != "k3s" {
		t.Errorf("%+v", l)
	}
}

// A mistake is named by its line or its field, so that nobody has to guess.
func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "empty",
		"{":                                  "yaml: line 1",
		"[]":                                 "cannot unmarshal",
		head + one + "---\n" + head + one:    "more than one YAML document",
		"format: 2\nlayer: cluster\n" + one:  "format: 2 is not known here",
		"layer: cluster\n" + one:             "format: 0",
		"format: 1\n" + one:                  "layer: ",
		"format: 1\nlayer: ../up\n" + one:    `layer: "../up" is not a name`,
		"format: 1\nlayer: manifest\n" + one: "is not a name",
		head:                                 "assets: none",
		head + "guests: {}\n":                "guests.cluster: missing",
		head + "guests: {sites: 1}\n":        "line 3: cannot unmarshal",
		head + "guests: {cluster: m, site: [a/b]}\n":                         "line 3: field site not found",
		head + "assets: []\n":                                                "assets: none",
		head + "keeep: {last: 7}\n" + one:                                    "line 3: field keeep not found",
		head + "keep: {lasst: 7}\n" + one:                                    "line 3: field lasst not found",
		head + "keep: {last: many}\n" + one:                                  "line 3: cannot unmarshal",
		head + "keep: {daily: -1}\n" + one:                                   "keep: daily: -1 is below 0",
		head + "timeout: soon\n" + one:                                       `line 3: "soon" is not a duration such as 30m or 26h`,
		head + "timeout: 0s\n" + one:                                         "is not a duration",
		head + "timeout: -5m\n" + one:                                        "is not a duration",
		head + "max-age: 1d\n" + one:                                         "is not a duration",
		head + "k3s: {datastore: mysql}\n" + one:                             `k3s: datastore: "mysql" is none of`,
		head + "k3s: {data-dir: var/lib}\n" + one:                            `k3s: data-dir: "var/lib" is not an absolute path`,
		head + "k3s: {service: --now}\n" + one:                               `k3s: service: "--now" is not a unit's name`,
		head + "k3s: {service: ''}\n" + one:                                  "is not a unit's name",
		head + "k3s: {token: secret}\n" + one:                                "field token not found",
		head + "assets:\n  - {name: a}\n":                                    "assets[0] (line 4): kind: missing",
		head + "assets:\n  - {name: a, kind: command}\n":                     `kind: "command" is none of`,
		head + "assets:\n  - {kind: k3s-server}\n":                           "assets[0] (line 4): name: ",
		head + "assets:\n  - {name: A b, kind: k3s-server}\n":                `name: "A b" is not a name`,
		head + one + "  - {name: a, kind: helm-values}\n":                    "assets[1] (line 5): name: a stands here twice",
		head + "assets:\n  - {name: a, kind: k3s-server, command: rm}\n":     "field command not found",
		head + "assets:\n  - {name: a, kind: k3s-server, paths: [/a]}\n":     "paths: kind k3s-server has none",
		head + "assets:\n  - {name: a, kind: kubeconfig}\n":                  "paths: none",
		head + "assets:\n  - {name: a, kind: kubeconfig, paths: [config]}\n": `paths: "config" is not an absolute path`,
		head + "assets:\n  - {name: a, kind: k3s-server, timeout: 1}\n":      "is not a duration",
		head + strings.Repeat("#", fileLimit) + "\n" + one:                   "are too many",
		head + "assets: &a [*a]\n":                                           "anchor",
	} {
		if _, err := parse([]byte(text), "/repo/layers/x", places()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.120q: %v, want %q", text, err, want)
		}
	}
}

// Load finds what stands around the layer: the rules and who may sign.
func TestLoad(t *testing.T) {
	repo := t.TempDir()
	dir := filepath.Join(repo, "layers", "cluster")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir, places()); err == nil || !strings.Contains(err.Error(), "layer.yaml") {
		t.Errorf("without a file: %v", err)
	}
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, FileName), head+"oops: 1\n"+one)
	if _, err := Load(dir, places()); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, FileName)+": ") {
		t.Errorf("a mistake does not name the file: %v", err)
	}
	write(filepath.Join(dir, FileName), head+one)
	l, err := Load(dir, places())
	if err != nil {
		t.Fatal(err)
	}
	for name, odd := range map[string]Places{"BACKUP_ROOT": {BackupRoot: "here"}, "RAILIANCE_STATE": {StateRoot: "./here"}} {
		if _, err := Load(dir, odd); err == nil || !strings.HasPrefix(err.Error(), name+": ") || !strings.Contains(err.Error(), "not an absolute path") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if l.SOPS != "" && strings.HasPrefix(l.SOPS, repo) {
		t.Errorf("rules that are not there: %s", l.SOPS)
	}
	write(filepath.Join(repo, ".sops.yaml"), "creation_rules: []\n")
	l, err = Load(dir, places())
	if err != nil {
		t.Fatal(err)
	}
	if l.SOPS != filepath.Join(repo, ".sops.yaml") || l.Signers != filepath.Join(repo, AllowedSigners) || l.Dir != dir {
		t.Errorf("rules %s, signers %s, in %s", l.SOPS, l.Signers, l.Dir)
	}
	write(filepath.Join(dir, AllowedSigners), "")
	if l, err = Load(dir, places()); err != nil || l.Signers != filepath.Join(dir, AllowedSigners) {
		t.Errorf("the nearer signers are not taken: %v, %v", l, err)
	}
}

// Whatever the bytes, parse returns; and what it accepts stays in its folders.
func FuzzLayer(f *testing.F) {
	f.Add(shipped(f))
	f.Add([]byte(head + one))
	guests, err := os.ReadFile("../../../layers/madagascar/layer.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(guests)
	f.Add([]byte(head + "keep: {<<: &a {last: 1}}\nassets: [*a]\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := parse(b, "/repo/layers/x", places())
		if err != nil {
			return
		}
		if filepath.Dir(l.Backups) != "/backups" || filepath.Dir(l.Seen) != "/state" {
			t.Fatalf("sets go to %s, the memory to %s", l.Backups, l.Seen)
		}
		if g := l.Guests; g != nil {
			r := g.For(100, []string{"prod"}, "pool")
			if len(r.Sites) == 0 || r.Timeout <= 0 || r.Keep == (catalog.Keep{}) || !filepath.IsAbs(r.Spool.Dir) || !filepath.IsAbs(g.Context) {
				t.Fatalf("accepted %+v", r)
			}
		}
		for _, a := range l.Assets {
			if a.Kind == nil || a.Timeout <= 0 || asset.CheckName(a.Name) != nil {
				t.Fatalf("accepted %+v", a)
			}
		}
	})
}

func TestTheShippedGuests(t *testing.T) {
	b, err := os.ReadFile("../../../layers/madagascar/layer.yaml")
	if err != nil {
		t.Fatal(err)
	}
	l, err := parse(b, "/repo/layers/madagascar", places())
	if err != nil {
		t.Fatal(err)
	}
	keep := catalog.Keep{Last: 3, Daily: 7, Weekly: 4, Monthly: 3}
	if l.Name != "madagascar" || len(l.Assets) != 0 || l.Guests.Context != "/repo/layers/madagascar/cluster-context/madagascar.json" || l.State != "/state" {
		t.Errorf("%+v, %+v", l, l.Guests)
	}
	if r := l.Guests.For(100, nil, ""); r.Keep != keep || r.MaxAge != 26*time.Hour || r.Skip {
		t.Errorf("%+v", r)
	}
	if !l.Guests.For(100, []string{"nobackup"}, "").Skip || l.Guests.Node().Keep != (catalog.Keep{Last: 7}) {
		t.Error("the shipped rules do not say what they seem to")
	}
}
