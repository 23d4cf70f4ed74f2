package guestset_test

import (
	"crypto/ed25519"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/sign"
	"github.com/railiance/railiance/tools/internal/store"
)

// A set is good only in the folder that it was made for: whole, signed and in
// another guest's folder, it would be restored in that guest's place.
func TestReadRefusesAnotherGuestsSet(t *testing.T) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	signer, err := sign.Load(key)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := store.MakeDir(filepath.Join(t.TempDir(), "vm-100"))
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	vm := guestset.Guest(guestset.VM, 100)
	for i, name := range []string{vm.LayerName("madagascar"), "madagascar-vm-101", "madagascar-ct-100", "reunion-vm-100", "madagascar"} {
		m := &catalog.Manifest{
			Format: catalog.Format, Layer: name, Host: "test", Sequence: int64(i + 1), Time: begin.Add(time.Duration(i) * time.Hour), Tool: "test",
			Artifacts: []catalog.Artifact{},
		}
		if _, err := catalog.Write(t.Context(), folder, m, signer); err != nil {
			t.Fatal(err)
		}
	}
	sets, problems, err := guestset.Read(t.Context(), folder, "madagascar", vm, signer.And(nil))
	if err != nil {
		t.Fatal(err)
	}
	if len(sets) != 1 || !sets[0].Time.Equal(begin) {
		t.Errorf("%d sets were taken", len(sets))
	}
	if len(problems) != 4 {
		t.Errorf("problems: %v", problems)
	}
	for _, p := range problems {
		if !strings.Contains(p.Error(), `not to "madagascar-vm-100"`) {
			t.Error(p)
		}
	}
}
