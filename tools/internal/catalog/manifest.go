// Package catalog knows what sets a store holds: manifests, their chain, and
// which of them retention lets go. The catalog is the listing of the manifests
// themselves; there is no index beside them to lose or to lock.
package catalog

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/store"
)

// TimeLayout is how a set's time (UTC, whole seconds) stands in file names.
const TimeLayout = "20060102T150405Z"

// Format is the version of the manifests that this package writes and reads.
const Format = 1

// MaxManifest is the size in bytes beyond which a file is no manifest.
const MaxManifest = 4 << 20

// Manifest says what a set holds. It is written after every artifact of the
// set is durable, and its signature after it.
type Manifest struct {
	Format   int       `json:"format"`
	Layer    string    `json:"layer"`
	Host     string    `json:"host"`
	Sequence int64     `json:"sequence"` // one more than the set before it
	Time     time.Time `json:"time"`     // of the run, UTC, whole seconds
	Tool     string    `json:"tool"`
	// Previous is the set before this one, absent in the first.
	Previous *Link `json:"previous,omitempty"`
	// Present are the older sets that the store held when this one was written,
	// Prunes those of them that retention was about to remove. What is in
	// Present, not in Prunes, and missing now was taken away by somebody else.
	Present []Link   `json:"present,omitempty"`
	Prunes  []string `json:"prunes,omitempty"`
	// Lost are sets that should have been there and were not. Each manifest
	// repeats those of the one before it, until an operator knows of them: those
	// that this one repeats no more are Acknowledged.
	Lost         []string   `json:"lost,omitempty"`
	Acknowledged []string   `json:"acknowledged,omitempty"`
	Artifacts    []Artifact `json:"artifacts"`
	// Failures are the assets that this set does not hold, or not wholly. A set
	// without failures is complete.
	Failures []Failure `json:"failures,omitempty"`
	// Findings do not fail a backup today but could spoil a restore.
	Findings []Finding `json:"findings,omitempty"`
}

// Link names a manifest and pins its bytes.
type Link struct {
	Manifest string `json:"manifest"`
	SHA256   string `json:"sha256"`
}

// Artifact is one sealed asset. There is no hash of its plaintext: that would
// confirm guesses of a short secret.
type Artifact struct {
	Name        string            `json:"name"`
	Asset       string            `json:"asset"`
	Kind        string            `json:"kind"`
	Size        int64             `json:"size"`   // bytes of ciphertext
	SHA256      string            `json:"sha256"` // of the ciphertext, hex
	Recipients  []string          `json:"recipients"`
	PostQuantum bool              `json:"postquantum"`
	Source      map[string]string `json:"source,omitempty"`
	Checks      []Check           `json:"checks,omitempty"`
	Contents    Contents          `json:"contents,omitempty"`
	Seconds     float64           `json:"seconds"`
}

// Check is one test that an artifact went through while it was made.
type Check struct {
	Name    string `json:"name"`
	Verdict string `json:"verdict"` // "ok", or what was found
}

// Contents are the counts of what a dump holds, which a restore or a drill
// must find again: "registry/secrets": 12.
type Contents map[string]int64

// Failure says why an asset is missing or not whole.
type Failure struct {
	Asset string `json:"asset"`
	What  string `json:"what"`
}

// Finding is something that a restore may stumble over, and why it matters.
type Finding struct {
	Asset string `json:"asset"`
	What  string `json:"what"`
	Why   string `json:"why,omitempty"`
}

// Complete says whether the set holds every asset whole.
func (m *Manifest) Complete() bool { return len(m.Failures) == 0 && len(m.Artifacts) > 0 }

// OnlyPrunes says that this is no set, but the record of sets that were let go,
// or whose loss was acknowledged, when none was made: it holds nothing and lacks
// nothing.
func (m *Manifest) OnlyPrunes() bool { return len(m.Artifacts) == 0 && len(m.Failures) == 0 }

// Artifact returns the artifact of an asset.
func (m *Manifest) Artifact(asset string) (Artifact, bool) {
	for _, a := range m.Artifacts {
		if a.Asset == asset {
			return a, true
		}
	}
	return Artifact{}, false
}

// Holds says whether the set holds the asset whole.
func (m *Manifest) Holds(asset string) bool {
	for _, f := range m.Failures {
		if f.Asset == asset {
			return false
		}
	}
	_, ok := m.Artifact(asset)
	return ok
}

// Name is the file name of the manifest.
func (m *Manifest) Name() string { return ManifestName(m.Time) }

// ManifestName is the name of the manifest of the set of time t.
func ManifestName(t time.Time) string {
	return "manifest-" + t.UTC().Format(TimeLayout) + ".json"
}

// What stands beside a manifest.
const (
	SignatureSuffix = ".sig"
	ProtectedSuffix = ".protected"
)

// ArtifactName is the name of an artifact: the asset, the set's time, and what
// it is ("snap", "tar.gz") below the encryption.
func ArtifactName(asset string, t time.Time, ext string) string {
	return asset + "-" + t.UTC().Format(TimeLayout) + "." + ext + ".age"
}

var (
	manifestName = regexp.MustCompile(`^manifest-([0-9]{8}T[0-9]{6}Z)\.json$`)
	artifactName = regexp.MustCompile(`^([a-z][a-z0-9-]*)-([0-9]{8}T[0-9]{6}Z)((?:\.[a-z0-9]+)+)\.age$`)
	assetName    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)
)

// TimeOf is the time of the set whose manifest has that name.
func TimeOf(name string) (time.Time, bool) {
	match := manifestName.FindStringSubmatch(name)
	if match == nil {
		return time.Time{}, false
	}
	t, err := time.Parse(TimeLayout, match[1])
	return t, err == nil
}

// BelongsTo says whether a file of that name is one that we write for the set
// of time t.
func BelongsTo(name string, t time.Time) bool {
	manifest := ManifestName(t)
	if name == manifest || name == manifest+SignatureSuffix {
		return true
	}
	match := artifactName.FindStringSubmatch(name)
	return match != nil && match[2] == t.UTC().Format(TimeLayout)
}

// CheckAsset refuses what cannot be an asset's name.
func CheckAsset(name string) error {
	if !assetName.MatchString(name) || name == "manifest" {
		return fmt.Errorf("%q is not a name: lower-case letters, digits and dashes", name)
	}
	return nil
}

// Encode is the manifest as it is stored and signed.
func (m *Manifest) Encode() ([]byte, error) {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return append(b, '\n'), nil
}

// Decode reads a manifest that is stored under name and checks everything that
// can be checked without the artifacts.
func Decode(name string, b []byte) (*Manifest, error) {
	var m Manifest
	if len(b) > MaxManifest {
		return nil, fmt.Errorf("%s: %d bytes are no manifest", name, len(b))
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err := d.Decode(&m)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = fmt.Errorf("something stands behind the end of the object")
		}
	}
	if err == nil {
		err = m.check(name)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &m, nil
}

func (m *Manifest) check(name string) error {
	if m.Format != Format {
		return fmt.Errorf("format: %d is not known here: a newer version wrote it", m.Format)
	}
	if m.Name() != name || !m.Time.Equal(m.Time.UTC().Truncate(time.Second)) {
		return fmt.Errorf("time: %s does not belong to a file of that name", m.Time.Format(time.RFC3339Nano))
	}
	if m.Sequence < 1 {
		return fmt.Errorf("sequence: %d is below 1", m.Sequence)
	}
	if m.Previous != nil {
		if err := m.Previous.check(); err != nil {
			return fmt.Errorf("previous: %w", err)
		}
	}
	for i, link := range m.Present {
		if err := link.check(); err != nil {
			return fmt.Errorf("present[%d]: %w", i, err)
		}
	}
	for _, list := range [][]string{m.Prunes, m.Lost, m.Acknowledged} {
		for _, n := range list {
			if _, ok := TimeOf(n); !ok {
				return fmt.Errorf("prunes, lost, acknowledged: %q is not a manifest's name", n)
			}
		}
	}
	seen := map[string]bool{}
	for i, a := range m.Artifacts {
		if err := a.check(m.Time); err != nil {
			return fmt.Errorf("artifacts[%d]: %w", i, err)
		}
		if seen[a.Asset] {
			return fmt.Errorf("artifacts[%d]: asset %s stands here twice", i, a.Asset)
		}
		seen[a.Asset] = true
	}
	return nil
}

func (l Link) check() error {
	if _, ok := TimeOf(l.Manifest); !ok {
		return fmt.Errorf("%q is not a manifest's name", l.Manifest)
	}
	return checkHash(l.SHA256)
}

func (a Artifact) check(t time.Time) error {
	match := artifactName.FindStringSubmatch(a.Name)
	if match == nil || store.CheckName(a.Name) != nil || match[1] != a.Asset || match[2] != t.UTC().Format(TimeLayout) {
		return fmt.Errorf("name: %q is not an artifact of asset %q in this set", a.Name, a.Asset)
	}
	if err := CheckAsset(a.Asset); err != nil {
		return err
	}
	if a.Size <= 0 {
		return fmt.Errorf("size: %d", a.Size)
	}
	if len(a.Recipients) == 0 {
		return fmt.Errorf("recipients: none")
	}
	return checkHash(a.SHA256)
}

func checkHash(s string) error {
	if b, err := hex.DecodeString(s); err != nil || len(b) != 32 || strings.ToLower(s) != s {
		return fmt.Errorf("sha256: %q is not one", s)
	}
	return nil
}
