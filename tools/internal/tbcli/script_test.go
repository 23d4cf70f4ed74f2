package tbcli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/shell"
	"github.com/railiance/railiance/tools/internal/tbcli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"tb-check": func() {
			os.Exit(shell.Main("tb-check", func(sh *shell.Shell) *cobra.Command {
				sh.Now = func() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }
				return tbcli.Check(sh)
			}))
		},
		"tb-deploy": func() { os.Exit(shell.Main("tb-deploy", tbcli.Deploy)) },
	})
}

// What the nodes of a recorded state say, as programs: STATE names it, and the
// ssh runs what it is given with them.
func recordings(env *testscript.Env) error {
	paths, err := filepath.Glob(filepath.Join("..", "thunderbolt", "testdata", "recorded", "*.txtar"))
	if err != nil || len(paths) != 10 {
		return fmt.Errorf("%d recordings, %v", len(paths), err)
	}
	write := func(name, text string) error {
		path := filepath.Join(env.WorkDir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return os.WriteFile(path, []byte(text), 0o755)
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			return err
		}
		for _, f := range archive.Files {
			if err := write(filepath.Join("states", strings.TrimSuffix(filepath.Base(path), ".txtar"), f.Name), string(f.Data)); err != nil {
				return err
			}
			// At two looks baobab sends what is for tapia the wrong way; then it has
			// learned.
			if filepath.Base(path) == "healthy.txtar" {
				if err := write(filepath.Join("states", "astray", f.Name), string(f.Data)); err != nil {
					return err
				}
			}
		}
	}
	for name, text := range map[string]string{
		"ssh": `for last; do target=$line; line=$last; done
export NODE=$STATES/$STATE/${target#root@}
if [ -s "$NODE/ssh_true.err" ]; then cat "$NODE/ssh_true.err" >&2; exit 255; fi
export PATH=$STATES/../node:$PATH
exec /bin/sh -c "$line"
`,
		"node/ip": `case "$*" in
"-j -d -s link show") exec cat "$NODE/ip-j-d-link.json" ;;
"-j addr show") exec cat "$NODE/ip-j-addr.json" ;;
"-j route show") exec cat "$NODE/ip-j-route.json" ;;
"-j -6 route show") echo '[]'; exit ;;
"-j neigh show") exec cat "$NODE/ip-j-neigh.json" ;;
esac
echo "ip: unknown: $*" >&2; exit 99
`,
		"node/bridge": `case "$*" in
"-j link show") exec cat "$NODE/bridge-j-link.json" ;;
"-j fdb show")
	if [ "${NODE##*/states/}" = astray/baobab ]; then
		[ -e "$NODE/twice" ] || { mv "$NODE/once" "$NODE/twice" 2>/dev/null || : >"$NODE/once"; : >"$NODE/../lost"; exec sed 's/"56:0b:5d:f5:6b:f3","ifname":"thunderbolt1"/"56:0b:5d:f5:6b:f3","ifname":"thunderbolt0"/' "$NODE/bridge-j-fdb.json"; }
		rm -f "$NODE/../lost"
	fi
	exec cat "$NODE/bridge-j-fdb.json" ;;
esac
echo "bridge: unknown: $*" >&2; exit 99
`,
		"node/ping": `size=small
case "$*" in
"-n -q -c 10 -i 0.02 -W 0.7 10.77.1."? | "-n -q -c 9 -i 0.2 -W 0.7 10.77.1."?) ;;
"-n -q -c 4 -i 0.03 -W 0.7 -M do -s 65492 10.77.1."? | "-n -q -c 6 -i 0.2 -W 0.7 -M do -s 65492 10.77.1."?) size=jumbo ;;
*) echo "ping: unknown: $*" >&2; exit 99 ;;
esac
for to; do :; done
case "$STATE ${NODE##*/} $to" in 'astray baobab 10.77.1.3' | 'astray tapia 10.77.1.1')
	[ ! -e "$NODE/../lost" ] || { echo '10 packets transmitted, 0 received, 100% packet loss, time 90ms'; exit 1; } ;;
esac
case $to in *.1) to=baobab ;; *.2) to=ebony ;; *.3) to=tapia ;; esac
cat "$NODE/ping-$size-$to.txt"
grep -q ' [1-9] received' "$NODE/ping-$size-$to.txt"
`,
		"node/dmesg": "", "node/date": "echo 1795262400\n",
	} {
		if !strings.HasPrefix(name, "node/") {
			name = "bin/" + name
		}
		if err := write(name, "#!/bin/sh\n"+text); err != nil {
			return err
		}
	}
	env.Setenv("STATES", filepath.Join(env.WorkDir, "states"))
	env.Setenv("STATE", "healthy")
	env.Setenv("PATH", filepath.Join(env.WorkDir, "bin")+":"+env.Getenv("PATH"))
	return nil
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", RequireExplicitExec: true, RequireUniqueNames: true, UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "", Setup: recordings})
}
