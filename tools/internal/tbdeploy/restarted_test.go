package tbdeploy

import (
	"strings"
	"testing"
)

// A node that is restarted before it was confirmed undoes it before its network
// comes up, with nobody's help; a restart of the network alone does not.
func TestRestarted(t *testing.T) {
	t.Parallel()
	ring := liveRing(t)
	n := ring.Node("ebony")
	before := stateOf(t, n)
	d := deployment(t, ring, "ebony")
	remote, found, files := begun(t, d)
	apply(t, d, files)
	const unit = "/etc/systemd/system/networking.service.wants/railiance-thunderbolt-undo.service"
	boot := strings.TrimPrefix(strings.TrimSpace(on(t, n, "grep ^ExecStart= "+unit)), "ExecStart=")
	deployed := stateOf(t, n)
	on(t, n, boot)
	if now := stateOf(t, n); now != deployed || now == before {
		t.Errorf("it was undone without a restart:\n%s", now)
	}
	// Who has the number of a process of before the restart is not to be ended.
	on(t, n, "pkill -KILL -f /[p]ending/watch.sh; cd /var/lib/railiance/thunderbolt/pending; echo before >boot; setsid sleep 300 </dev/null >/dev/null 2>&1 & sleep 0.2; ps -eo pid=,args= | awk '/[s]leep 300/ {print $1}' >/var/lib/railiance/thunderbolt/pending/applying")
	on(t, n, boot)
	on(t, n, "pkill -f '[s]leep 300'; [ ! -e "+unit+" ]")
	filesOf := func(state string) string { s, _, _ := strings.Cut(state, "\nlo "); return s }
	if now := filesOf(stateOf(t, n)); now != filesOf(before) {
		t.Errorf("the files are\n%s\nthey were\n%s", now, filesOf(before))
	}
	if now, err := look(t.Context(), remote, "", nil); err != nil || now.pending || now.kept != found.kept {
		t.Errorf("%+v, %v", now, err)
	}
	on(t, n, "[ ! -e /var/lib/railiance/thunderbolt/edited ]")
	// A confirmation whose answer is lost is one nevertheless.
	if _, err := d.begin(t.Context(), remote, files); err != nil {
		t.Fatal(err)
	}
	apply(t, d, files)
	on(t, n, "sh /var/lib/railiance/thunderbolt/pending/confirm.sh")
	if err := d.confirm(t.Context(), remote, found.kept); err != nil {
		t.Error(err)
	}
	if err := d.confirm(t.Context(), remote, "000001"); err == nil {
		t.Error("what was confirmed before is taken for this one")
	}
	on(t, n, "[ ! -e "+unit+" ]")
}
