package schedule

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

const unitFolder = "/etc/systemd/system"

// unit is the name of a layer's unit without its suffix.
func unit(layer, deed string) string { return "railiance-" + layer + "-" + deed }

// unitFiles are the paths of all units that a layer may have.
func unitFiles(layer string) []string {
	var paths []string
	for _, name := range []string{"backup.service", "backup.timer", "verify.service", "drill.service", "drill.timer"} {
		paths = append(paths, filepath.Join(unitFolder, unit(layer, name)))
	}
	return paths
}

// Units is the plan as units of systemd.
func (p Plan) Units() []File {
	files := []File{
		p.service("backup", p.Backup, p.verbs().Backup, p.Timeout, p.After, contained+noNamespaces),
		p.timer("backup", "*-*-* 02:00:00"),
		p.service("verify", p.Restore, p.verbs().Verify, p.reading(), []string{unit(p.Layer, "backup") + ".service"}, contained+noNamespaces),
	}
	if p.Drill {
		files = append(files,
			p.service("drill", p.Restore, p.verbs().Drill, p.drilling(), []string{unit(p.Layer, "backup") + ".service", unit(p.Layer, "verify") + ".service"}, drilling),
			p.timer("drill", "Sun *-*-* 04:00:00"))
	}
	return files
}

// What backup and verify need not do. They read everywhere (keys, kubeconfig
// and repository may lie in /root) and write into the folders of ReadWritePaths
// and below /var; k3s's own commands run inside of this as well.
const contained = `NoNewPrivileges=yes
ProtectSystem=full
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
`

const noNamespaces = "RestrictNamespaces=yes\n"

// A drill starts k3s in namespaces of its own, with mounts and a network that
// the settings above would forbid.
const drilling = `NoNewPrivileges=yes
PrivateTmp=yes
LockPersonality=yes
`

func (p Plan) service(deed, exe, verb string, timeout time.Duration, after []string, walls string) File {
	var b strings.Builder
	p.head(&b)
	fmt.Fprintf(&b, "[Unit]\nDescription=Railiance: %s of layer %s\nRequiresMountsFor=%s\n", deed, p.Layer, quoted(p.Backups))
	for _, u := range after {
		fmt.Fprintf(&b, "After=%s\n", u)
	}
	if deed == "backup" {
		// Wanted here and ordered after it there, the verification also follows
		// a backup that failed.
		fmt.Fprintf(&b, "Wants=%s.service\n", unit(p.Layer, "verify"))
	}
	fmt.Fprintf(&b, "\n[Service]\nType=oneshot\nUMask=0077\nEnvironment=PATH=%s\n", systemPath)
	for _, s := range p.Env {
		fmt.Fprintf(&b, "Environment=%s\n", quoted(s.Name+"="+s.Value))
	}
	if verb != "" {
		verb = " " + verb
	}
	fmt.Fprintf(&b, "ExecStart=%s%s --layer %s --log %s\n", quoted(filepath.Join(p.Bin, exe)), verb, quoted(p.Dir), quoted(p.Log()))
	// The program ends its children itself, and tells that it was stopped.
	fmt.Fprintf(&b, "TimeoutStartSec=%.0f\nTimeoutStopSec=60\nKillMode=mixed\n", timeout.Seconds())
	b.WriteString("Nice=10\nIOSchedulingClass=best-effort\nIOSchedulingPriority=7\n" + walls)
	if walls != drilling {
		b.WriteString("ReadWritePaths=")
		for i, path := range append([]string{p.Backups, p.State}, p.Writable...) {
			if i > 0 {
				b.WriteString(" ")
			}
			b.WriteString(quoted("-" + path)) // a folder that is missing is no reason not to start
		}
		b.WriteString("\n")
	}
	return File{filepath.Join(unitFolder, unit(p.Layer, deed)+".service"), b.String()}
}

func (p Plan) timer(deed, when string) File {
	var b strings.Builder
	p.head(&b)
	fmt.Fprintf(&b, "[Unit]\nDescription=Railiance: when to %s layer %s\n\n", deed, p.Layer)
	// Persistent: a night on which the machine was off is made up for.
	fmt.Fprintf(&b, "[Timer]\nOnCalendar=%s\nPersistent=true\nRandomizedDelaySec=10min\n\n", when)
	b.WriteString("[Install]\nWantedBy=timers.target\n")
	return File{filepath.Join(unitFolder, unit(p.Layer, deed)+".timer"), b.String()}
}

func (p Plan) head(b *strings.Builder) {
	fmt.Fprintf(b, "%stimer` for layer %s; `make remove-timer` takes it away.\n", mark, p.Layer)
}

// quoted is one word for systemd. Check has refused whatever would need more.
func quoted(s string) string { return `"` + s + `"` }
