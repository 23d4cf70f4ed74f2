package pvecli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/tell"
)

// proofs are when the sets of a site were last read whole, and last opened with
// the private key. They say what to read next, and are no more than a memory:
// without the file everything counts as never read.
type proofs struct {
	Format int              `json:"format"`
	Sets   map[string]proof `json:"sets"` // by folder/manifest
}

type proof struct {
	SHA256 string    `json:"sha256"` // of the manifest
	Read   time.Time `json:"read"`
	Opened time.Time `json:"opened,omitzero"`
}

const proofsLimit = 64 << 20 // bytes

func proofsPath(m guestset.Memory, site string) string {
	return filepath.Join(string(m), site, "proofs.json")
}

// readProofs reads the proofs of a site. A damaged file is told and counts as
// none: it only makes the next verification read more.
func (e *estate) readProofs(p place) proofs {
	none := proofs{Format: 1, Sets: map[string]proof{}}
	if p.copy {
		return none
	}
	path := proofsPath(e.memory, p.name)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return none
	}
	var found proofs
	if err == nil {
		defer f.Close()
		err = json.NewDecoder(io.LimitReader(f, proofsLimit)).Decode(&found)
	}
	if err == nil && found.Format != 1 {
		err = fmt.Errorf("format %d is not known here", found.Format)
	}
	if err != nil {
		e.Tell.Warn(p.name, "%s: what was verified when is not known: %v", path, err)
		return none
	}
	if found.Sets == nil {
		found.Sets = none.Sets
	}
	return found
}

func (p proofs) of(f folder, s catalog.Set) proof {
	found := p.Sets[f.subject.String()+"/"+s.Name()]
	if found.SHA256 != s.SHA256 {
		return proof{}
	}
	return found
}

func (p proofs) note(f folder, s catalog.Set, at time.Time, opened bool) {
	now := p.of(f, s)
	now.SHA256, now.Read = s.SHA256, at
	if opened {
		now.Opened = at
	}
	p.Sets[f.subject.String()+"/"+s.Name()] = now
}

// writeProofs remembers the proofs of the sets that there are. all says that
// every folder of the site is among folders.
func (e *estate) writeProofs(p place, found proofs, folders []folder, all bool) error {
	if p.copy {
		return nil
	}
	if all {
		kept := map[string]proof{}
		for _, f := range folders {
			for _, s := range f.sets {
				if f.place.name == p.name && !found.of(f, s).Read.IsZero() {
					kept[f.subject.String()+"/"+s.Name()] = found.of(f, s)
				}
			}
		}
		found.Sets = kept
	}
	path := proofsPath(e.memory, p.name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return tell.Hint(state.Replace(path, found), "RAILIANCE_STATE names another folder than %s", e.layer.State)
}
