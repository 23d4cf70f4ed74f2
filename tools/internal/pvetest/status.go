package pvetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// running is a guest that runs: run/<vmid>.json.
type running struct {
	Paused  bool
	PID     int
	Started time.Time
}

func (c cluster) runFile(id int) string {
	return filepath.Join(c.dir, "run", strconv.Itoa(id)+".json")
}

// running says whether a guest runs, and how.
func (c cluster) running(id int) (running, bool, error) {
	b, err := os.ReadFile(c.runFile(id))
	if errors.Is(err, fs.ErrNotExist) {
		return running{}, false, nil
	}
	var r running
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	return r, err == nil, err
}

func (c cluster) run(id int, r running) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return write(c.runFile(id), b)
}

func (c cluster) halt(id int) error {
	err := os.Remove(c.runFile(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// state is all that the programs tell of a guest.
type state struct {
	guest
	config
	running
	runs bool
}

func (c cluster) state(g guest) (state, error) {
	s := state{guest: g}
	var err error
	if s.config, err = c.config(g); err != nil {
		return s, err
	}
	s.running, s.runs, err = c.running(g.id)
	return s, err
}

// name is what the programs call the guest; one without a name has none in its
// configuration.
func (s state) name() string {
	key := "name"
	if s.kind == typeCT {
		key = "hostname"
	}
	if name := s.keys[key]; name != "" {
		return name
	}
	return fmt.Sprintf("%s %d", s.word(), s.id)
}

// status is what `qm list` says: a paused guest runs.
func (s state) status() string {
	if s.runs {
		return "running"
	}
	return "stopped"
}

// qmpStatus is what QEMU itself says.
func (s state) qmpStatus() string {
	if s.runs && s.Paused {
		return "paused"
	}
	return s.status()
}

func (s state) uptime() int {
	if !s.runs {
		return 0
	}
	return int(time.Since(s.Started) / time.Second)
}

func (s state) number(key string, otherwise int) int {
	if n, err := strconv.Atoi(s.keys[key]); err == nil {
		return n
	}
	return otherwise
}

func (s state) memory() int64 { return int64(s.number("memory", 512)) << 20 }

// disk is the size of the disk that the guest boots from, in bytes.
func (s state) disk() int64 {
	keys, boot := driveKey, properties(s.keys["boot"], "legacy")["order"]
	if s.kind == typeCT {
		keys, boot = mountKey, "rootfs"
	}
	for _, d := range s.drives(keys) {
		if d.key == boot || boot == "" {
			return bytesOf(d.props["size"])
		}
	}
	return 0
}

// hostCores is what a container without a limit sees.
const hostCores = 2

func (s state) cores() int {
	if s.kind == typeCT {
		return s.number("cores", hostCores)
	}
	return s.number("sockets", 1) * s.number("cores", 1)
}

// entry is the guest in `pvesh get /nodes/<node>/qemu` or lxc.
func (s state) entry() map[string]any {
	m := map[string]any{
		"cpu": 0, "cpus": s.cores(), "disk": 0, "maxdisk": s.disk(), "maxmem": s.memory(),
		"mem": 0, "name": s.name(), "netin": 0, "netout": 0, "status": s.status(), "uptime": s.uptime(), "vmid": s.id,
	}
	if tags := s.keys["tags"]; tags != "" {
		m["tags"] = tags
	}
	if lock := s.keys["lock"]; lock != "" {
		m["lock"] = lock
	}
	if s.keys["template"] == "1" {
		m["template"] = 1
	}
	if s.kind == typeCT {
		m["type"], m["swap"] = typeCT, 0
		m["diskread"], m["diskwrite"] = 0, 0
		m["maxswap"] = int64(s.number("swap", 0)) << 20
		if s.runs {
			m["pid"] = s.PID
		}
		return m
	}
	m["memhost"] = 0
	if s.runs {
		m["pid"] = s.PID
		for _, key := range []string{"cpufull", "cpusome", "iofull", "iosome", "memoryfull", "memorysome"} {
			m["pressure"+key] = 0
		}
	}
	return m
}
