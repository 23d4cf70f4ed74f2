package tbdeploy

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/tbtest"
)

// hadAt are the ways in which something can be at a place of ours, in shell: $1 is
// the place, $2 what will be deployed there, $3 a place of somebody else's.
func hadAt() []string {
	return []string{
		`:`,
		`echo old >"$1"; chmod 640 "$1"; chown 1:2 "$1"`,
		`printf %s "$2" >"$1"; chmod 600 "$1"; chown 3:4 "$1"`,
		`printf %s "$2" >"$3"; ln -s "$3" "$1"`,
		`ln -s '../no where' "$1"`,
		`: >"$1"; chmod 444 "$1"`,
	}
}

// scripted runs a script of a deployment on a node, past ssh.
func scripted(t *testing.T, n *tbtest.Node, input, name string, args ...string) (string, error) {
	t.Helper()
	return n.Run(t.Context(), input, append([]string{"sh", "-c", script(name), "railiance-" + name}, args...)...)
}

func must(t *testing.T, n *tbtest.Node, input, name string, args ...string) {
	t.Helper()
	if out, err := scripted(t, n, input, name, args...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// taken is what begin reads for a deployment of files.
func taken(files []File) string {
	var b strings.Builder
	encoded := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	for _, name := range []string{"watch", "undo", "cancel", "confirm", "boot"} {
		fmt.Fprintf(&b, "script - %s.sh %s\n", name, encoded(script(name)))
	}
	for _, f := range files {
		kind := "file"
		if f.Gone {
			kind = "gone"
		}
		fmt.Fprintf(&b, "%s %s %s %s\n", kind, f.Mode, f.Path, encoded(f.Text))
	}
	return b.String() + "end\n"
}

const (
	pending  = "/var/lib/railiance/thunderbolt/pending"
	endTimer = "pkill -KILL -f /[p]ending/watch.sh; sleep 1.2; "
)

// placed are files for a deployment to which the node has as little as it likes.
func placed() []File {
	return []File{
		{Path: rulesPath, Mode: "0644", Text: "# new rules\n"},
		{Path: stanzaPath, Mode: "0644", Text: "auto new0\niface new0\n"},
		{Path: hookPath, Mode: "0755", Text: "#!/bin/sh\n# new hook\n"},
		{Path: fmt.Sprintf(linkPath, "a"), Mode: "0644", Text: "# new link\n"},
		{Path: fmt.Sprintf(linkPath, "b"), Mode: "0644", Gone: true},
		{Path: fmt.Sprintf(linkPath, "c"), Mode: "0644", Text: "# another new link\n"},
	}
}

// However it comes about, and however far the deployment had come: of every file
// the bytes, the mode, the owner and the link are back, what was not there is
// gone, and nothing was written through a link.
func TestUndoneFileByFile(t *testing.T) {
	t.Parallel()
	n := tbtest.New(t, 3).Node("ebony")
	begun := func(window string) func(*testing.T) {
		return func(t *testing.T) { must(t, n, taken(placed()), "begin", window, "") }
	}
	hour := begun("3600")
	restart := func(t *testing.T) {
		on(t, n, endTimer+"echo before >"+pending+"/boot; sh "+pending+"/boot.sh")
	}
	for i, end := range []struct {
		name  string
		begin func(*testing.T)
		undo  func(*testing.T)
	}{
		{"given up", hour, func(t *testing.T) { must(t, n, "", "cancel") }},
		{"by its timer", begun("5"), func(t *testing.T) { gone(t, n) }},
		{"restarted", hour, restart},
		{"by who comes next", hour, func(t *testing.T) {
			on(t, n, endTimer)
			if out, err := scripted(t, n, "end\n", "begin", "10", ""); err == nil || !strings.Contains(err.Error(), "status 76") {
				t.Errorf("%q, %v", out, err)
			}
		}},
		{"by hand", hour, func(t *testing.T) { on(t, n, endTimer+"sh "+pending+"/cancel.sh") }},
		{"given up, and who did so died", begun("3600"), func(t *testing.T) {
			on(t, n, "cd "+pending+"; mv armed undoing")
			gone(t, n)
		}},
	} {
		t.Run(end.name, func(t *testing.T) {
			on(t, n, "rm -rf /var/lib/railiance /etc/mine; mkdir -p /etc/mine /etc/network/interfaces.d /etc/udev/rules.d /etc/systemd/network; echo mine >/etc/mine/victim")
			for k, f := range placed() {
				had := hadAt()
				on(t, n, fmt.Sprintf("set -- %q '%s' /etc/mine/%d\nrm -f \"$1\"\n%s", f.Path, f.Text, k, had[(k+i)%len(had)]))
			}
			before := treeOf(t, n)
			end.begin(t)
			// Every second time it does not come to its end.
			half := i%2 == 1
			if half {
				on(t, n, "cd "+pending+"; cp list whole; head -n 3 whole >list")
			}
			for _, f := range placed() {
				on(t, n, "ln -s /etc/mine/victim "+f.Path+".railiance-new; ln -s /etc/mine/victim "+f.Path+".railiance-old")
			}
			must(t, n, "", "apply", "word")
			for k, f := range placed() {
				if half && k >= 3 {
					continue
				}
				want := fmt.Sprintf("regular file %s 0 0 %s", strings.TrimPrefix(f.Mode, "0"), f.Text)
				if f.Gone {
					want = "gone"
				}
				if got := on(t, n, fmt.Sprintf("set -- %q; if [ -e \"$1\" ] || [ -L \"$1\" ]; then stat -c '%%F %%a %%u %%g' \"$1\" | tr '\\n' ' '; cat \"$1\"; else printf gone; fi", f.Path)); got != want {
					t.Errorf("applied, %s is %q, want %q", f.Path, got, want)
				}
			}
			if half {
				on(t, n, "cd "+pending+"; mv whole list")
			}
			// What somebody wrote meanwhile is put back, too, but not thrown away.
			edited := ""
			if i%2 == 0 {
				on(t, n, "echo edited >>"+hookPath)
				edited = placed()[2].Text + "edited\n"
			}
			end.undo(t)
			if got := on(t, n, "cat /var/lib/railiance/thunderbolt/edited/* 2>/dev/null || true"); got != edited {
				t.Errorf("kept of what was edited since: %q, want %q", got, edited)
			}
			if after := treeOf(t, n); after != before {
				t.Errorf("what was there (-) and is now (+):\n%s", diff(before, after))
			}
			on(t, n, "[ ! -e "+pending+" ]")
		})
	}
}

// gone waits until nothing is pending on the node.
func gone(t *testing.T, n *tbtest.Node) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); on(t, n, "[ ! -e "+pending+" ] || echo pending") != ""; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it is not undone: %s", on(t, n, "cat "+pending+"/log"))
		}
	}
}

// ifupdown2 takes IPv6, and with it the addresses, from what it puts into a
// bridge. Out of it again, both are back.
func TestUndoneIPv6(t *testing.T) {
	t.Parallel()
	n := tbtest.New(t, 3).Node("ebony")
	const own = "/proc/sys/net/ipv6/conf/thunderbolt1/disable_ipv6"
	on(t, n, "ip link set thunderbolt1 nomaster; echo 0 >"+own+"; ip addr add fd77::2/64 dev thunderbolt1 nodad")
	before := stateOf(t, n)
	must(t, n, taken(placed()), "begin", "3600", "vmbr1", "thunderbolt0", "thunderbolt1")
	on(t, n, "ip link set thunderbolt1 master vmbr1; echo 1 >"+own)
	if now := stateOf(t, n); strings.Contains(now, "fd77::2") || !strings.Contains(before, "fd77::2") {
		t.Fatalf("the address is not taken with IPv6:\n%s\nit was\n%s", now, before)
	}
	must(t, n, "", "cancel")
	if after := stateOf(t, n); after != before {
		t.Errorf("what was there (-) and is now (+):\n%s", diff(before, after))
	}
}
