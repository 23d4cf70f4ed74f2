package pvetest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Fault names a file in the folder faults of a cluster. What it holds is one of
// the lines below; without the file all is well. A line may end in " times N":
// then it is hit N times and goes away.
//
//	vzdump-<vmid>     die after N            SIGKILL to ourselves after N bytes: the lock stays
//	                  fail after N           an error after N bytes, as of a disk that cannot be read
//	                  close after N          standard output ends after N bytes, exit status 0
//	                  exit 0 empty           no byte, exit status 0, "finished successfully"
//	                  exit 255 zstd          the 13 bytes of an empty zstd stream, exit status 255
//	                  truncate at extent N   only N extents, exit status 0: `vma verify` takes it
//	                  slow N                 N bytes in a second at most
//	                  hang                   no byte comes, until a signal
//	                  hang after N           the same after N bytes
//	                  leftover job           a WARN, and exit status 0
//	vzdump-<node>     dumpdir full           the configuration in the archive is empty, exit status 0
//	                  dumpdir read-only      an error
//	pvesh-<node>      exit N TEXT            exit status N and TEXT on standard error
//	                  truncate N             only N bytes of the answer, exit status 0
//	                  endless                an answer without end
//	                  hang                   no answer, until a signal
//	                  garbage TEXT           TEXT in place of an answer
//	qmrestore-<node>  die after N            SIGKILL to ourselves after N bytes
//	                  fail after N           as of a full disk after N bytes
//	pct-<node>        die after N, fail after N   the same of pct restore
//	agent-<vmid>      never                  the guest agent does not answer
//	                  after N                it answers N seconds after the start
//	start-<vmid>      fail                   the guest does not start
//
// A fault of pvesh may be bound to a path: pvesh-<node>-cluster-resources.
type Fault string

// SetFault writes the line into faults/<name>; an empty line takes the fault
// away.
func (w *World) SetFault(name Fault, line string) error {
	path := filepath.Join(w.dir, "faults", string(name))
	if line == "" {
		err := os.Remove(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return write(path, []byte(line+"\n"))
}

// fault is the words of a fault, none if there is none.
func (c cluster) fault(name string) ([]string, error) {
	path := filepath.Join(c.dir, "faults", name)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	line, times, limited := strings.Cut(strings.TrimSpace(string(b)), " times ")
	if !limited {
		return strings.Fields(line), nil
	}
	n, err := strconv.Atoi(times)
	if err != nil {
		return nil, fmt.Errorf("pvetest: fault %s: %q", name, b)
	}
	if n <= 1 {
		err = os.Remove(path)
	} else {
		err = write(path, []byte(fmt.Sprintf("%s times %d\n", line, n-1)))
	}
	return strings.Fields(line), err
}

// amount is N of "<words> N", and whether the fault begins with the words.
func amount(fault []string, words ...string) (int64, bool) {
	if len(fault) != len(words)+1 {
		return 0, false
	}
	for i, word := range words {
		if fault[i] != word {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(fault[len(words)], 10, 64)
	return n, err == nil
}

func is(fault []string, line string) bool { return strings.Join(fault, " ") == line }

// interfere does what the fault of a program that only answers says.
func (c *call) interfere(program, node, path string) error {
	fault, err := c.fault(program + "-" + node + "-" + strings.ReplaceAll(path, "/", "-"))
	if err == nil && fault == nil {
		fault, err = c.fault(program + "-" + node)
	}
	if err != nil || fault == nil {
		return err
	}
	switch fault[0] {
	case "exit":
		code, err := strconv.Atoi(fault[1])
		if err != nil {
			return err
		}
		return fail(code, "%s", strings.Join(fault[2:], " "))
	case "garbage":
		_, err := fmt.Fprintln(c.out, strings.Join(fault[1:], " "))
		return errors.Join(err, &exit{code: 0})
	case "hang":
		if err := c.wait(600); err != nil {
			return fail(255, "%v", err)
		}
		return fail(255, "pvetest: nobody ended this")
	case "endless":
		part := []byte(strings.Repeat(`{"id":"qemu/100","name":"again and again"},`, 1000))
		if _, err := c.out.Write([]byte("[")); err != nil {
			return err
		}
		for {
			if _, err := c.out.Write(part); err != nil {
				return err
			}
		}
	case "truncate":
		n, ok := amount(fault, "truncate")
		if !ok {
			break
		}
		c.out = &short{c.out, n}
		return nil
	}
	return fmt.Errorf("pvetest: fault of %s: %q", program, fault)
}
