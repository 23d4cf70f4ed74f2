package pve

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/railiance/railiance/tools/internal/state"
)

// inventoryMax bounds an inventory that is read back, in bytes.
const inventoryMax = 64 << 20

// inventoryTime is how the name of an inventory tells its time; it sorts.
const inventoryTime = "20060102T150405Z"

// Save writes the inventory into dir as manifest-<time>.json, all of it or not
// at all, and returns its path.
func (inv *Inventory) Save(dir string) (string, error) {
	b, err := json.MarshalIndent(inv, "", "  ")
	if err != nil {
		return "", fmt.Errorf("inventory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("inventory: %w", err)
	}
	path := filepath.Join(dir, "manifest-"+inv.Time.UTC().Format(inventoryTime)+".json")
	if err := state.ReplaceBytes(path, append(b, '\n'), 0o600); err != nil {
		return "", fmt.Errorf("inventory: %w", err)
	}
	return path, nil
}

// Latest reads the newest inventory in dir; none gives fs.ErrNotExist.
func Latest(dir string) (*Inventory, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("inventory: %w", err)
	}
	name := regexp.MustCompile(`^manifest-[0-9]{8}T[0-9]{6}Z\.json$`)
	for i := len(entries) - 1; i >= 0; i-- {
		if name.MatchString(entries[i].Name()) {
			return Load(filepath.Join(dir, entries[i].Name()))
		}
	}
	return nil, fmt.Errorf("inventory: %s: %w", dir, fs.ErrNotExist)
}

// Load reads the inventory at path.
func Load(path string) (*Inventory, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("inventory: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(f, inventoryMax+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("inventory: %w", err)
	}
	inv := &Inventory{}
	switch err := json.Unmarshal(b, inv); {
	case len(b) > inventoryMax:
		return nil, fmt.Errorf("inventory: %s: is larger than %d bytes", path, inventoryMax)
	case err != nil:
		return nil, fmt.Errorf("inventory: %s: %w", path, err)
	case inv.Format != inventoryFormat:
		return nil, fmt.Errorf("inventory: %s: format %d is not known here: a newer version wrote it", path, inv.Format)
	}
	return inv, nil
}
