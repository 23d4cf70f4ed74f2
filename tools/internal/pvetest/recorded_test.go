package pvetest

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// recording is one answer of the real programs.
type recording struct {
	name, cmd, rc, stdout, stderr string
	size                          int64 // of standard output; -1: it is text
}

func recordings(t *testing.T) []recording {
	t.Helper()
	archive, err := txtar.ParseFile("testdata/recorded.txtar")
	must(t, err)
	byName := map[string]*recording{}
	var names []string
	for _, f := range archive.Files {
		name, stream, _ := strings.Cut(f.Name, ".")
		r := byName[name]
		if r == nil {
			r = &recording{name: name, size: -1}
			byName[name], names = r, append(names, name)
		}
		text := string(f.Data)
		switch stream {
		case "cmd":
			r.cmd = strings.TrimSpace(text)
		case "rc":
			r.rc = strings.TrimSpace(text)
		case "stdout":
			r.stdout = text
		case "stderr":
			r.stderr = text
		case "stdout.size":
			r.size, err = strconv.ParseInt(strings.TrimSpace(text), 10, 64)
			must(t, err)
		default:
			t.Fatal(f.Name)
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return phase(a) - phase(b) })
	var all []recording
	for _, name := range names {
		all = append(all, *byName[name])
	}
	return all
}

// phase puts what changes the cluster behind what looks at it, and what looks
// at the change behind that.
func phase(name string) int {
	switch {
	case strings.HasSuffix(name, "-after"), strings.HasSuffix(name, "-retry"):
		return 2
	case strings.Contains(name, "restore"):
		return 1
	}
	return 0
}

// varying makes the same what differs from run to run: folders, identities,
// times, speeds, and statistics of the machine.
func varying(root, s string) string {
	s = strings.ReplaceAll(s, root, "")
	for pattern, with := range map[string]string{
		`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`: "UUID",
		`vzdumptmp[0-9]+`:                        "vzdumptmpPID",
		`GEN[0-9]+`:                              "GEN",
		`20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9:]{8}`: "TIME",
		`20[0-9]{2}_[0-9]{2}_[0-9]{2}-[0-9_]{8}`: "TIME",
		`CTIME: .*`:                              "CTIME",
		`\([0-9]{2}:[0-9]{2}:[0-9]{2}\)`:         "(DURATION)",
		`in [0-9]+s, read: .*`:                   "in SECONDS",
		`in [0-9]+ seconds \(.*\)`:               "in SECONDS",
		`, [0-9.]+[KMG]iB/s\)`:                   ", SPEED)",
		`(\b(pid|uptime|diskread|rd_bytes|rd_operations|rd_total_time_ns|idle_time_ns|avail|used|total|used_fraction)"?): ?[0-9.e-]+`: "$1:N",
		`"digest":"[0-9a-f]{40}","path"`:                        `"digest":"SHA1","path"`,
		`"disk":[0-9]+,("id":"storage/[^"]*"),"maxdisk":[0-9]+`: "$1",
		`(local +dir +active).*`:                                "$1",
		`(running +128 +0.06) [0-9]+ +`:                         "$1 PID",
		`10498560`:                                              "10498048", // recorded before the disk was another
	} {
		s = regexp.MustCompile(pattern).ReplaceAllString(s, with)
	}
	return s
}

// unordered sorts what the real ones print in no order: options in the line of
// a job, .vmlist, content of a storage, and lists of JSON.
func unordered(s string) string {
	s = regexp.MustCompile(`(job: vzdump [0-9]+)(( --[a-z]+ \S+)+)`).ReplaceAllStringFunc(s, func(line string) string {
		head, options, _ := strings.Cut(line, " --")
		parts := strings.Split(options, " --")
		slices.Sort(parts)
		return head + " --" + strings.Join(parts, " --")
	})
	s = regexp.MustCompile(`"content":"[^"]*,[^"]*"`).ReplaceAllStringFunc(s, func(field string) string {
		parts := strings.Split(strings.Trim(strings.TrimPrefix(field, `"content":`), `"`), ",")
		slices.Sort(parts)
		return strings.Join(parts, ",")
	})
	if strings.HasPrefix(s, `[{`) && !strings.Contains(s, `"id"`) {
		parts := strings.Split(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]\n"), `,{`)
		for i := range parts {
			parts[i] = strings.TrimPrefix(parts[i], "{")
		}
		slices.Sort(parts)
		return strings.Join(parts, "\n")
	}
	if strings.HasPrefix(s, "{\n\"version\"") {
		parts := regexp.MustCompile(`"[0-9]+": \{[^}]*\}`).FindAllString(s, -1)
		for i := range parts {
			parts[i] = regexp.MustCompile(`"version": [0-9]+`).ReplaceAllString(parts[i], "")
		}
		slices.Sort(parts)
		return regexp.MustCompile(`"[0-9]+": \{[^}]*\}`).ReplaceAllString(s, "") + strings.Join(parts, "\n")
	}
	return s
}

// The fakes say what the real programs said.
func TestRecorded(t *testing.T) {
	s := newStage(t)
	root := s.NodeDir("pve1")
	all := recordings(t)
	if len(all) != 139 {
		t.Errorf("%d recordings", len(all))
	}
	for _, r := range all {
		t.Run(r.name, func(t *testing.T) {
			s.t = t
			defer s.prepare(r.name)()
			out := &bytes.Buffer{}
			rc, stderr := s.answer(r.cmd, out)
			if got := strconv.Itoa(rc); got != r.rc {
				t.Errorf("exit status %s, recorded %s", got, r.rc)
			}
			if got, want := comparably(root, r.name, stderr), comparably(root, r.name, r.stderr); got != want {
				t.Errorf("standard error:\n%s\nrecorded:\n%s", got, want)
			}
			if r.size < 0 {
				if got, want := comparably(root, r.name, out.String()), comparably(root, r.name, r.stdout); got != want {
					t.Errorf("standard output:\n%s\nrecorded:\n%s", got, want)
				}
			} else if size := int64(out.Len()); !sameSize(r, size) {
				t.Errorf("%d bytes of standard output, recorded %d", size, r.size)
			}
		})
	}
}

// sameSize compares the size of archives: compressed ones depend on the content,
// and a guest that was used in between has another one; nothing is nothing.
func sameSize(r recording, size int64) bool {
	if r.size > 13 && (strings.Contains(r.cmd, "zstd") || r.name == "vzdump-100-paused") {
		return size > 13
	}
	if strings.Contains(r.cmd, "head -c") {
		return true
	}
	return size == r.size
}

func comparably(root, name, s string) string {
	s = unordered(varying(root, s))
	switch {
	case strings.HasPrefix(name, "qmrestore-154-truncated"):
		// How much had come through depends on the order of the clusters.
		s = regexp.MustCompile(`(?m)^progress .*\n`).ReplaceAllString(s, "")
		s = regexp.MustCompile(`\([0-9]+ < [0-9]+\)`).ReplaceAllString(s, "(N < N)")
	case strings.Contains(name, "consumer-killed"):
		s = regexp.MustCompile(`INFO: +[0-9]+% \(.*`).ReplaceAllString(s, "PROGRESS")
	case strings.Contains(name, "paused") && strings.HasPrefix(name, "vzdump"):
		s = regexp.MustCompile(`sparse: .*`).ReplaceAllString(s, "sparse")
	case name == "pct-restore-255-truncated":
		s = regexp.MustCompile(`Total bytes read: .*`).ReplaceAllString(s, "Total bytes read")
	}
	return s
}

// The normalisation must not make everything the same.
func TestVaryingLeavesWhatMatters(t *testing.T) {
	for _, pair := range [][2]string{
		{`{"status":"running","vmid":100}`, `{"status":"paused","vmid":100}`},
		{"INFO: backup is sparse: 32.54 MiB (43%) total zero data", "INFO: backup is sparse: 30.54 MiB (43%) total zero data"},
		{"lock: backup", ""},
	} {
		if unordered(varying("/world", pair[0])) == unordered(varying("/world", pair[1])) {
			t.Errorf("%q and %q are the same", pair[0], pair[1])
		}
	}
}
