package pvetest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// CutConnections ends the connections to a node under the programs that run
// over them. The node can be reached again at once.
func (w *World) CutConnections(node string) error {
	s := w.servers[node]
	if s == nil {
		return fmt.Errorf("pvetest: %s is not started", node)
	}
	for _, pid := range connections(s.pid) {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	return nil
}

// connections are the sshds that an sshd has started, and those that they have:
// one a connection as root, two otherwise.
func connections(server int) []int {
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	children := map[int][]int{}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		text := string(b)
		var state string
		var pid, parent int
		end := strings.LastIndexByte(text, ')')
		if end < 0 || !strings.Contains(text[:end], "(sshd") {
			continue
		}
		if _, err := fmt.Sscanf(text, "%d", &pid); err != nil {
			continue
		}
		if _, err := fmt.Sscanf(text[end+1:], "%s %d", &state, &parent); err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	all := children[server]
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}
