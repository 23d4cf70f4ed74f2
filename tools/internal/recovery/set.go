package recovery

import (
	"fmt"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/tell"
)

// kind is the kind of the set's datastore.
func (r *Restore) kind() string {
	a, err := oneOf(r.Set, asset.KindEtcd, asset.KindStateDB)
	if err != nil {
		return ""
	}
	return a.Kind
}

// oneOf is the artifact of one of the kinds.
func oneOf(s catalog.Set, kinds ...string) (catalog.Artifact, error) {
	for _, a := range s.Artifacts {
		for _, kind := range kinds {
			if a.Kind == kind && s.Holds(a.Asset) {
				return a, nil
			}
		}
	}
	return catalog.Artifact{}, tell.Hint(fmt.Errorf("%s holds no whole %s", s.Name(), kinds[0]), "another set may: AT= names it")
}

// Restorable says whether the set holds everything that a whole restore needs.
func Restorable(s catalog.Set) bool {
	_, err := oneOf(s, asset.KindEtcd, asset.KindStateDB)
	_, err2 := oneOf(s, asset.KindServer)
	return err == nil && err2 == nil
}
