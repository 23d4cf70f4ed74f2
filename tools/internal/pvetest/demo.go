package pvetest

import (
	"errors"
	"fmt"
	"strings"
)

// Canary is in the content of each disk and container that Populate makes: it
// may be found nowhere outside of a cluster but in artifacts.
const Canary = "canary-5b81-guest-content"

// Populate makes guests of all kinds, 50 MiB of content together:
//
//	baobab  100 web      runs, two disks, agent, network, pool production, tags prod and web
//	        104 base     a template
//	        200 cache    an unprivileged container that is stopped, with a volume that backups leave out
//	ebony   101 db       runs, three disks on local-lvm, one of them with backup=0; EFI, firewall
//	        103          no disk and no name
//	tapia   102 win      stopped; paths and text of a description as nobody should write them
//	        201 legacy   a privileged container that runs, with a volume that backups take
func (w *World) Populate() error {
	const mib = 1 << 20
	disk := func(key, storage string, size, random, text int64) Disk {
		return Disk{Key: key, Storage: storage, Size: size * mib, Random: random * mib, Text: text * mib, Begin: Canary + "\n"}
	}
	unused := disk("scsi2", "local-lvm", 8, 1, 0)
	unused.NoBackup = true
	return errors.Join(
		w.AddVM(VM{
			ID: 100, Node: "baobab", Name: "web", Running: true, Agent: true, Net: true, Pool: "production", Tags: []string{"prod", "web"},
			Disks:       []Disk{disk("scsi0", "local", 64, 8, 4), disk("scsi1", "local", 16, 1, 1)},
			Description: "The shop.\nAsk Hanitra before a restart.",
		}),
		w.AddVM(VM{ID: 104, Node: "baobab", Name: "base", Template: true, Disks: []Disk{disk("scsi0", "local", 16, 2, 2)}}),
		w.AddCT(CT{
			ID: 200, Node: "baobab", Name: "cache", Tags: []string{"prod"},
			Files:  map[string]string{"srv/value": Canary + "\n", "srv/text": strings.Repeat("what a cache keeps\n", 40000), "data/lost": "not in a backup\n"},
			Mounts: []Mount{{Key: "mp0", Path: "/data"}, {Key: "mp1", Path: "/host", Bind: "/mnt/host"}},
		}),
		w.AddVM(VM{
			ID: 101, Node: "ebony", Name: "db", Running: true, Agent: true, Net: true, Pool: "production", Tags: []string{"prod"}, Memory: 1024,
			Disks: []Disk{
				disk("virtio0", "local-lvm", 48, 6, 6), unused, disk("scsi0", "local-lvm", 32, 4, 0),
				{Key: "efidisk0", Storage: "local-lvm", Size: 540672, Text: 9000, Begin: Canary},
			},
			Firewall: "[OPTIONS]\n\nenable: 1\n", Keys: map[string]string{"bios": "ovmf", "boot": "order=virtio0"},
		}),
		w.AddVM(VM{ID: 103, Node: "ebony"}),
		w.AddVM(VM{
			ID: 102, Node: "tapia", Name: "win", Net: true, Disks: []Disk{disk("sata0", "nas", 32, 3, 3)},
			Description: "\"quoted\" $(touch /tmp/pwned) `id`\n\x1b[31mred\x1b[0m\nTsaratanàna 🌳\n" + strings.Repeat("long ", 2000),
		}),
		w.AddCT(CT{
			ID: 201, Node: "tapia", Name: "legacy", Privileged: true, Running: true,
			Files:  map[string]string{"srv/value": Canary + "\n", "data/kept": strings.Repeat("in a backup\n", 40000)},
			Mounts: []Mount{{Key: "mp0", Path: "/data", Backup: true}},
		}),
	)
}

// Do does what a line of a script says: a method of World by its name in lower
// case with dashes, and its arguments.
//
//	fault NAME LINE…          set-key VMID KEY [VALUE]   migrate VMID NODE
//	remove VMID               run, pause, halt VMID      blind NODE on|off
//	stop-node, start-node, mute-node, cut-connections, change-host-key, trust-host-key NODE
func (w *World) Do(args ...string) error {
	if len(args) < 2 {
		return fmt.Errorf("pvetest: %q: arguments are missing", args)
	}
	byNode := map[string]func(string) error{
		"stop-node": w.StopNode, "start-node": w.StartNode, "mute-node": w.MuteNode, "cut-connections": w.CutConnections,
		"change-host-key": w.ChangeHostKey, "trust-host-key": w.TrustHostKey,
	}
	byGuest := map[string]func(int) error{"remove": w.Remove, "run": w.Run, "pause": w.Pause, "halt": w.Halt}
	verb, rest := args[0], args[2:]
	if do, ok := byNode[verb]; ok && len(rest) == 0 {
		return do(args[1])
	}
	switch {
	case verb == "fault":
		return w.SetFault(Fault(args[1]), strings.Join(rest, " "))
	case verb == "blind" && len(rest) == 1:
		return w.Blind(args[1], rest[0] == "on")
	}
	var id int
	if _, err := fmt.Sscanf(args[1], "%d", &id); err != nil {
		return fmt.Errorf("pvetest: %q: %q is no guest", args, args[1])
	}
	do, known := byGuest[verb]
	switch {
	case known && len(rest) == 0:
		return do(id)
	case verb == "migrate" && len(rest) == 1:
		return w.Migrate(id, rest[0])
	case verb == "set-key" && (len(rest) == 1 || len(rest) == 2):
		return w.SetKey(id, rest[0], strings.Join(rest[1:], ""))
	}
	return fmt.Errorf("pvetest: %q: nothing does this", args)
}
