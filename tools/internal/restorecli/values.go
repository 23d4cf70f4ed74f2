package restorecli

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/layercli"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/recovery"
)

func values(sh *plugin.Shell) *cobra.Command {
	var from source
	verb := &cobra.Command{
		Use:   "values NAMESPACE/RELEASE",
		Short: "Print the values of one Helm release as they were saved; needs the private key",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || strings.Count(args[0], "/") != 1 {
				return &plugin.Usage{Err: errors.New("values: name one release: namespace/name")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := sh.Layer()
			if err != nil {
				return err
			}
			dir, err := from.open(l)
			if err != nil {
				return err
			}
			set, err := from.choose(cmd.Context(), sh, l, dir, func(s catalog.Set) bool { _, ok := ofKind(s, asset.KindHelmValues); return ok })
			if err != nil {
				return err
			}
			artifact, _ := ofKind(set, asset.KindHelmValues)
			ids, err := layercli.Keys(cmd.Context(), sh)
			if err != nil {
				return err
			}
			out, err := recovery.Values(cmd.Context(), dir, artifact, ids, args[0])
			if err != nil {
				return err
			}
			_, err = sh.Stdout.Write(out)
			return err
		},
	}
	from.flags(verb)
	return verb
}

// ofKind is the artifact of a kind. A set may hold one that lacks something:
// the others of its releases are as good as ever.
func ofKind(s catalog.Set, kind string) (catalog.Artifact, bool) {
	for _, a := range s.Artifacts {
		if a.Kind == kind {
			return a, true
		}
	}
	return catalog.Artifact{}, false
}
