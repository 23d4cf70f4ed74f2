// Package pvetest is the Proxmox cluster of the tests: its programs (pvesh, qm,
// pct, vzdump, qmrestore, pvesm, pveversion) as fakes that act on a folder, and
// a World of three nodes that real sshds lead to.
//
// The one thing to know: a fake refuses what it does not know, and what it
// answers is held, byte for byte, against recordings of Proxmox VE 9.2, with
// the answers that look like success and are none. Not held against a
// recording, and written from what is public, is what a drill and a repair
// need (qm start, stop, shutdown, set, destroy, unlock, guest cmd, agent;
// pct start, stop, shutdown, set, destroy, unlock, mount, unmount, exec), what
// only a cluster of several nodes shows (the entries of nodes and clusters in
// pvesh, the wait for the global lock), running containers, lvmthin storages,
// and a vzdump that a signal ends.
//
// A cluster is a folder, in DirVariable, and each node a folder that stands for
// its /; paths that the programs print lie in it, so that they can be opened:
//
//	cluster.json            the nodes, and which of them are known to be up
//	pve/                    what pmxcfs shows as /etc/pve: storage.cfg, user.cfg,
//	                        .vmlist, nodes/<node>/{qemu-server,lxc}/<vmid>.conf
//	run/<vmid>.json         a guest that runs
//	faults/                 see Fault
//	calls                   a line for each program that was started
//	nodes/<node>/           a node's /: var/lib/vz, the files in etc that make it
//	                        what it is, and a link etc/pve (without the links
//	                        local, qemu-server and lxc that the real one has)
//	nodes/<node>/rootfs/<vmid>  the content of a container's volumes
//	shared/                 the storages that all nodes share
//
// Disks of virtual machines are sparse raw files with real content.
//
// A test that wants the nodes becomes the fakes first and then starts a World:
//
//	func TestMain(m *testing.M) { pvetest.Dispatch(); os.Exit(m.Run()) }
//
//	program, _ := os.Executable()
//	w, err := pvetest.New(dir, program)
//	err = w.AddVM(pvetest.VM{ID: 100, Node: "baobab", Disks: …})
//	err = w.Start() // defer w.Stop()
//	// with w.Env() in the environment: ssh baobab vzdump 100 --stdout
//
// Without ssh, Command runs a fake at once. Executables outside of tests use
// the command pveworld.
package pvetest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// What the fakes need in their environment.
const (
	DirVariable     = "PVE_DIR"      // folder of the cluster
	NodeVariable    = "PVE_NODE"     // name of the node that we are on
	NodeDirVariable = "PVE_NODE_DIR" // folder of that node; not set: nodes/<node> of the cluster
	SecondVariable  = "PVE_SECOND"   // how long a second of the fakes' patience lasts, as 10ms; not set: 1s
)

// Programs are the fakes by name. Each takes its arguments, without its name,
// and returns its exit status.
func Programs() map[string]func(args []string) int {
	all := map[string]func(args []string) int{}
	for name, p := range programs() {
		all[name] = func(args []string) int { return start(name, p, args) }
	}
	return all
}

// Dispatch becomes the fake that the name of the running executable names, and
// returns if it names none. The executable that a World is given must call it
// first in main, or in TestMain where that is not testscript's.
func Dispatch() {
	if p, ok := Programs()[filepath.Base(os.Args[0])]; ok {
		os.Exit(p(os.Args[1:]))
	}
}

type program func(c *call, args []string) error

func programs() map[string]program {
	return map[string]program{
		"pvesh": pvesh, "qm": qm, "pct": pct, "vzdump": vzdump,
		"qmrestore": qmrestore, "pvesm": pvesm, "pveversion": pveversion,
	}
}

func pveversion(c *call, args []string) error {
	if len(args) > 0 {
		return fail(255, "Unknown option: %s\n400 unable to parse option\npveversion [OPTIONS]", strings.TrimLeft(args[0], "-"))
	}
	_, err := fmt.Fprintf(c.out, "pve-manager/9.2.11/0123456789abcdef (running kernel: 6.17.2-1-pve)\n")
	return err
}
