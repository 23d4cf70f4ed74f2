package nodebackup

import (
	"encoding/json"
	"strings"
	"time"
)

// report is what the archive says of itself: what is in it, and above all what
// is not.
type report struct {
	Format   int       `json:"format"`
	Node     string    `json:"node"`
	Time     time.Time `json:"time"`
	Version  string    `json:"version,omitempty"` // of Proxmox VE
	Commands []answer  `json:"commands"`
	Absent   []string  `json:"absent,omitempty"` // what the node does not have, and might
	LeftOut  []leftOut `json:"leftOut,omitempty"`
	Said     []string  `json:"said,omitempty"` // what tar complained about
}

type leftOut struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// answer is what came of a program.
type answer struct {
	Name    string  `json:"name,omitempty"` // of the member with what it printed
	Command string  `json:"command"`
	Status  string  `json:"status"` // ok, absent or failed
	Why     string  `json:"why,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
}

// The most that a report tells of one kind.
const reportMost = 1000

func (r *report) leaveOut(name, why string) {
	if len(r.LeftOut) < reportMost {
		r.LeftOut = append(r.LeftOut, leftOut{name, why})
	}
}

// say takes a line that the script or its programs said.
func (r *report) say(line string) {
	const without, left = "railiance: without ", "and left out: "
	if rest, is := strings.CutPrefix(line, without); is {
		name, why, _ := strings.Cut(rest, ": ")
		r.leaveOut(name, why)
	} else if _, name, is := strings.Cut(line, left); is && strings.HasPrefix(line, "railiance: ") {
		r.leaveOut(name, "it is too large for a setting")
	} else if len(r.Said) < reportMost {
		r.Said = append(r.Said, line)
	}
}

func (r *report) encode() (string, error) {
	b, err := json.MarshalIndent(r, "", "  ")
	return string(b) + "\n", err
}
