package layercli

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/access/identity"
	"github.com/railiance/railiance/tools/internal/plugin"
)

// Init makes what the first backup needs.
func Init(sh *plugin.Shell) *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: "Make the age key and the .sops.yaml, where there are none",
		Long: `For the first backup on a machine. What is there already is kept as it is. A
scheduled run never makes keys: a key that nobody knows of opens nothing on the
bad day.`,
		RunE: func(*cobra.Command, []string) error {
			l, err := sh.Layer()
			if err != nil {
				return err
			}
			sops := l.SOPS
			if sops == "" {
				sops = filepath.Join(l.Dir, "..", "..", ".sops.yaml")
			}
			keys := filepath.Join(plugin.Home(), ".config", "sops", "age", "keys.txt")
			made, err := identity.Init(keys, sops)
			if err != nil {
				return err
			}
			err = sh.Print(initialized{1, made.KeysFile, made.MadeKey, made.SopsYAML, made.MadeRules, made.Recipient}, func(w io.Writer) {
				verb := map[bool]string{true: "made", false: "kept, it was there"}
				fmt.Fprintf(w, "%s: %s\n%s: %s\npublic key: %s\n", made.KeysFile, verb[made.MadeKey], made.SopsYAML, verb[made.MadeRules], made.Recipient)
				if made.MadeKey {
					fmt.Fprintf(w, "\nKeep a copy of %s off this server, on paper or in a password store:\nit opens every backup, and without it none can be restored.\n"+
						"Then take it away from here: what makes backups must not be able to read them.\n", made.KeysFile)
				}
			})
			for _, w := range made.Warnings {
				sh.Tell.Warn("", "%s", w)
			}
			return err
		},
	}
}

// initialized is what init prints as JSON.
type initialized struct {
	Format    int    `json:"format"`
	KeysFile  string `json:"keysFile"`
	MadeKey   bool   `json:"madeKey"`
	SopsYAML  string `json:"sopsYAML"`
	MadeRules bool   `json:"madeRules"`
	Recipient string `json:"recipient"`
}
