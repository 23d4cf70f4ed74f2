package schedule

import (
	"fmt"
	"strings"
	"time"
)

// cronLimit is what Debian's cron takes of a command; the rest it drops.
const cronLimit = 998

// CronPath is the file of a layer's nightly runs.
func CronPath(layer string) string { return "/etc/cron.d/railiance-" + layer }

// Cron is the plan as a file for /etc/cron.d.
//
// The paths stand in variables, so that they need no quoting of a shell inside
// of cron's. The programs write the log themselves, and rotate it; their
// standard error goes there too, for the night on which one cannot even start.
func (p Plan) Cron() (File, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%scron` for layer %s; `make remove-cron` takes it away.\n", mark, p.Layer)
	fmt.Fprintf(&b, "SHELL=/bin/sh\nPATH=%s\n", systemPath)
	for _, s := range append(p.Env, Setting{"RAILIANCE_BIN", p.Bin}, Setting{"RAILIANCE_LAYER", p.Dir}, Setting{"RAILIANCE_SETS", p.Backups}) {
		fmt.Fprintf(&b, "%s=\"%s\"\n", s.Name, s.Value)
	}
	b.WriteString("# Each night, local time. A verification also follows a backup that failed.\n")
	lines := []string{"0 2 * * * root umask 077; mkdir -p \"$RAILIANCE_SETS\"; " +
		cronCommand(p.Backup, p.verbs().Backup, p.Timeout) + "; " + cronCommand(p.Restore, p.verbs().Verify, p.reading())}
	if p.Drill {
		lines = append(lines, "# Each Sunday, a restore is rehearsed.\n",
			"0 4 * * 0 root umask 077; mkdir -p \"$RAILIANCE_SETS\"; "+cronCommand(p.Restore, p.verbs().Drill, p.drilling()))
	} else {
		lines = append(lines, "# No drill: no private key on this machine opens the backups.\n")
	}
	for _, line := range lines {
		if len(line) > cronLimit {
			return File{}, fmt.Errorf("schedule: a line of %d characters is longer than cron reads", len(line))
		}
		b.WriteString(strings.TrimSuffix(line, "\n") + "\n")
	}
	return File{CronPath(p.Layer), b.String()}, nil
}

func cronCommand(exe, verb string, timeout time.Duration) string {
	if verb != "" {
		verb = " " + verb
	}
	const log = `"$RAILIANCE_SETS/backup.log"`
	return fmt.Sprintf(`nice timeout -v -k 60 %.0f "$RAILIANCE_BIN/%s"%s --layer "$RAILIANCE_LAYER" --log %s >>%s 2>&1`,
		timeout.Seconds(), exe, verb, log, log)
}
