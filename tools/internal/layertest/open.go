package layertest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/opening"
	"github.com/railiance/railiance/tools/internal/sign"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/unseal"
)

// newest is the newest set that the script's allowed_signers trusts.
func newest(ts *testscript.TestScript) (*store.Dir, catalog.Set) {
	dir, err := store.OpenDir(ts.Getenv("SETS"))
	ts.Check(err)
	trust, err := sign.LoadTrust(filepath.Join(Of(ts).Repo, "allowed_signers"))
	ts.Check(err)
	found, _, err := catalog.Read(context.Background(), dir, trust)
	ts.Check(err)
	if len(found) == 0 {
		ts.Fatalf("there is no set")
	}
	return dir, found[0]
}

// holds compares the assets that the newest set holds whole with the named
// ones, or with all of the layer: holds [ASSET...].
func (l Layer) holds(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, false, args, 0, 99, "holds [ASSET...]")
	want := slices.Sorted(slices.Values(l.Assets))
	if len(args) > 0 {
		want = slices.Sorted(slices.Values(args))
	}
	_, set := newest(ts)
	var got []string
	for _, a := range set.Artifacts {
		if set.Holds(a.Asset) {
			got = append(got, a.Asset)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		ts.Fatalf("the newest set holds %q, want %q", got, want)
	}
	if set.Complete() != (len(args) == 0) {
		ts.Fatalf("the newest set says that complete is %v", set.Complete())
	}
}

// opens decrypts every artifact of the newest set with one private key, checks
// it by the rules of its kind and compares what it holds with the manifest:
// opens KEY. `! opens KEY` is that the key opens none of them.
func (l Layer) opens(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, true, args, 1, 1, "opens KEY")
	b, err := os.ReadFile(filepath.Join(Of(ts).Keys, args[0]+".txt"))
	ts.Check(err)
	keys, err := age.ParseIdentities(strings.NewReader(string(b)))
	ts.Check(err)
	dir, set := newest(ts)
	for _, a := range set.Artifacts {
		into, err := opening.InMemory(a.Asset)
		ts.Check(err)
		err = errors.Join(opening.Artifact(context.Background(), dir, a, keys, into), into.Close())
		switch {
		case neg && !errors.Is(err, unseal.ErrNoKey):
			ts.Fatalf("%s: %v", a.Name, err)
		case !neg:
			ts.Check(err)
		}
	}
}
