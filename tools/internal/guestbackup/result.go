package guestbackup

import "time"

// How it went with a guest.
const (
	Done    = "done"    // in all of its sites
	Partly  = "partly"  // in some, or what follows a set failed
	Failed  = "failed"  // in none
	Skipped = "skipped" // not meant to be backed up now
)

// Result is what came of one guest.
type Result struct {
	Guest   int          `json:"guest"`
	Type    string       `json:"type"` // qemu or lxc
	Name    string       `json:"name,omitempty"`
	Node    string       `json:"node"` // where it was
	Folder  string       `json:"folder"`
	Status  string       `json:"status"`
	Why     string       `json:"why,omitempty"`     // not Done
	Time    time.Time    `json:"time,omitzero"`     // of the set
	Size    int64        `json:"size,omitempty"`    // bytes of ciphertext
	Bytes   int64        `json:"bytes,omitempty"`   // that vzdump wrote
	Seconds float64      `json:"seconds,omitempty"` // that it took
	Waited  float64      `json:"waited,omitempty"`  // seconds that the guest may have waited for its sites
	LeftOut []string     `json:"leftOut,omitempty"` // disks that are not in it, each with why
	Sites   []SiteResult `json:"sites,omitempty"`
}

// SiteResult is what came of it in one site.
type SiteResult struct {
	Site     string   `json:"site"`
	Manifest string   `json:"manifest,omitempty"` // of the set, if there is one
	Why      string   `json:"why,omitempty"`      // there is none, or something else went wrong
	Pruned   []string `json:"pruned,omitempty"`
	Waited   float64  `json:"waited,omitempty"` // seconds that the others waited for it
}

// OK says whether nothing went wrong.
func (r Result) OK() bool { return r.Status == Done || r.Status == Skipped }
