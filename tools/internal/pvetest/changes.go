package pvetest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Migrate moves a guest to another node, with its local volumes. It runs on.
func (w *World) Migrate(id int, node string) error {
	g, there, err := w.find(id)
	if err != nil || !there {
		return errors.Join(err, fmt.Errorf("pvetest: no guest %d", id))
	}
	from, err := w.on(g.node)
	if err != nil {
		return err
	}
	to, err := w.on(node)
	if err != nil {
		return err
	}
	conf, err := w.config(g)
	if err != nil {
		return err
	}
	keys := driveKey
	if g.kind == typeCT {
		keys = mountKey
		if err := os.Rename(from.rootfs(id), to.rootfs(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, d := range conf.drives(keys) {
		if strings.HasPrefix(d.volume, "/") {
			continue
		}
		old, err := from.path(d.volume)
		if err != nil {
			return err
		}
		fresh, err := to.path(d.volume)
		if err != nil {
			return err
		}
		if old == fresh {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(fresh), 0o755); err != nil {
			return err
		}
		if err := os.Rename(old, fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	moved := guest{id, g.kind, node}
	if err := os.Rename(w.pve(g.conf()), w.pve(moved.conf())); err != nil {
		return err
	}
	return w.listGuests()
}

// Remove takes a guest away, with its volumes.
func (w *World) Remove(id int) error {
	s, c, err := w.look(id)
	if err != nil {
		return err
	}
	delete(s.keys, "protection")
	s.runs = false
	return errors.Join(w.halt(id), destroyGuest(c, s, nil, options{values: map[string]string{"skiplock": "1"}}))
}

// SetKey changes a line of a guest's configuration; an empty value takes it
// out. The key lock is one of them.
func (w *World) SetKey(id int, key, value string) error {
	s, _, err := w.look(id)
	if err != nil {
		return err
	}
	if s.keys[key] = value; value == "" {
		delete(s.keys, key)
	}
	return w.setConfig(s.guest, s.config)
}

// Run makes a guest run.
func (w *World) Run(id int) error {
	return w.run(id, running{PID: 1000 + id, Started: time.Now()})
}

// Pause makes a guest run and be paused.
func (w *World) Pause(id int) error {
	return w.run(id, running{Paused: true, PID: 1000 + id, Started: time.Now()})
}

// Halt ends a guest.
func (w *World) Halt(id int) error { return w.halt(id) }

// Blind kills the pvestatd of a node, or brings it back: without it the cluster
// does not know how the guests are, nor their names.
func (w *World) Blind(node string, blind bool) error {
	return w.change(node, func(m *member) { m.Blind = blind })
}
