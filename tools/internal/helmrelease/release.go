// Package helmrelease reads the records in which Helm keeps its releases, and
// packs them into a tar that a person can use without this program.
//
// The one thing to know: nothing is held. A record goes from the API's answer
// to the tar while the next one is still on the wire, so memory is that of one
// record (some megabytes), however many releases there are. It follows that
// the tar's index comes last, and that its presence proves the tar whole.
//
// Helm itself is not used: its list leaves out, silently and with exit status
// 0, what lies beyond 256 entries, what is in mid-upgrade and what it cannot
// decode.
package helmrelease

import (
	"encoding/json"
	"errors"
	"time"
)

// Kind is the kind of the object in which a release is stored.
type Kind string

// Helm's two storage drivers that live in the cluster.
const (
	Secret    Kind = "Secret"
	ConfigMap Kind = "ConfigMap"
)

// ErrNotRelease is wrapped by a Problem for an object that carries the label
// owner=helm and nothing else of a release: Helm skips it, and so may a backup.
var ErrNotRelease = errors.New("labelled owner=helm but not a release record")

// Item is one object of a list: exactly one of the two is set.
type Item struct {
	Release *Release
	Problem *Problem
}

// Problem is an object that could not be read as a release.
type Problem struct {
	Namespace string
	Kind      Kind
	Object    string // metadata.name
	Err       error  // wraps ErrNotRelease where Helm, too, would pass by
}

func (p Problem) Error() string {
	return p.where() + ": " + p.Err.Error()
}

func (p Problem) Unwrap() error { return p.Err }

func (p Problem) where() string {
	return printable(p.Namespace) + "/" + printable(p.Object)
}

// Release is one stored revision of one release. Namespace, Name and Revision
// have been checked against the object that held them and are safe as file
// names.
type Release struct {
	Namespace string
	Name      string
	Revision  int // from 1
	Status    string

	Chart        string
	ChartVersion string
	AppVersion   string

	FirstDeployed time.Time // zero where the record has none, as the others
	LastDeployed  time.Time
	Deleted       time.Time
	Description   string
	ApplyMethod   string // of Helm 4; empty before

	Kind   Kind
	Object string            // name of the object that holds the record
	Labels map[string]string // of that object

	Source Source

	// Record is the release as Helm wrote it: JSON, with the chart's templates,
	// the values and the manifest. It holds passwords in plaintext.
	Record []byte

	config json.RawMessage
}

// Source is what a record tells of where its chart came from. Helm does not
// write down the repository; these are hints for a person.
type Source struct {
	Home         string       `json:"home,omitempty"`
	Sources      []string     `json:"sources,omitempty"`
	Dependencies []Dependency `json:"dependencies,omitempty"`
}

// Dependency is a chart that the release's chart was built from.
type Dependency struct {
	Name       string `json:"name"`
	Version    string `json:"version,omitempty"`
	Repository string `json:"repository,omitempty"`
}
