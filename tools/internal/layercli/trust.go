package layercli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/sign"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Trust pins the key that signs.
func Trust(sh *plugin.Shell) *cobra.Command {
	var yes bool
	verb := &cobra.Command{
		Use:   "trust",
		Short: "Pin this host's signing key in allowed_signers, after showing its fingerprint",
		RunE: func(*cobra.Command, []string) error {
			l, err := sh.Layer()
			if err != nil {
				return err
			}
			signer, err := sign.Load(l.SignKey)
			if err != nil {
				return err
			}
			host, err := os.Hostname()
			if err != nil {
				return err
			}
			if shown := fmt.Sprintf("%s signs manifests with %s\n%s\n", host, l.SignKey, signer.Fingerprint()); sh.JSON {
				fmt.Fprint(sh.Tell.W, shown) // for the person who is asked
			} else {
				fmt.Fprint(sh.Stdout, shown)
			}
			if err := Confirm(sh, yes, fmt.Sprintf("trust it in %s?", l.Signers)); err != nil {
				return err
			}
			added, err := sign.AddTrusted(l.Signers, "root@"+host, signer.PublicKey())
			if err != nil {
				return err
			}
			return sh.Print(trusted{1, host, l.SignKey, signer.Fingerprint(), l.Signers, added}, func(w io.Writer) {
				if added {
					fmt.Fprintf(w, "added to %s; commit that file\n", l.Signers)
				} else {
					fmt.Fprintf(w, "%s has it already\n", l.Signers)
				}
			})
		},
	}
	verb.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return verb
}

// trusted is what trust prints as JSON.
type trusted struct {
	Format      int    `json:"format"`
	Host        string `json:"host"`
	Key         string `json:"key"` // file
	Fingerprint string `json:"fingerprint"`
	Signers     string `json:"signers"` // file
	Added       bool   `json:"added"`
}

// Confirm asks a person. Without a terminal there is nobody to ask, and only
// --yes will do.
func Confirm(sh *plugin.Shell, yes bool, question string) error {
	if yes {
		return nil
	}
	if !term.IsTerminal(int(sh.Stdin.Fd())) {
		return &plugin.Usage{Err: tell.Hint(errors.New("there is no terminal to ask on, and nothing was changed"), "YES=1 answers (--yes)")}
	}
	fmt.Fprintf(sh.Tell.W, "%s [y/N] ", question)
	answer, err := bufio.NewReader(sh.Stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return errors.New("not confirmed: nothing was changed")
	}
	return nil
}
