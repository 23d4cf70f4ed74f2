package pvecli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestrestore"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/layercli"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/tell"
)

func extract(sh *plugin.Shell) *cobra.Command {
	var w where
	var at, disk, out string
	verb := &cobra.Command{
		Use:   "extract GUEST",
		Short: "Write the disks and the configuration of a guest into files; needs the private key, and no Proxmox",
		Long: `Opens the newest complete set of a guest, or the one of --at, and writes the raw
disks of a virtual machine, with holes where they are zero, or the tar of a
container, with configuration, firewall file and the account of the backup, into
a new folder, that of --output. With --disk it writes that disk alone, into a new
file. None of it is encrypted: it belongs where nobody else reads, and into no
repository.

The output appears once all of it was proven: the ciphertext against the signed
manifest, each disk against the digest of the day of the backup. A copy that is
damaged is told, and the next site's is read. Nothing is written over.

It works on any Linux: --from reads a copy of a site, and all else that is needed
is the repository's allowed_signers and a private key.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &plugin.Usage{Err: errors.New("extract: name one guest or node, as 100, vm-100 or node-baobab")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			when, err := parseAt(at)
			if err != nil {
				return err
			}
			if out == "-" {
				return &plugin.Usage{Err: tell.Hint(errors.New("--output -: the parts of a disk lie in an archive in any order, and are proven only at its end: there has to be a file"),
					"name a file that does not exist yet")}
			}
			if out == "" { // the folder that one stands in may be anybody's, or a repository
				return &plugin.Usage{Err: errors.New("extract: --output says where to: a new folder, or with --disk a new file; what is written is not encrypted")}
			}
			w.key = true
			e, err := open(cmd.Context(), sh, w)
			if err != nil {
				return err
			}
			from, err := e.choose(cmd.Context(), args[0], when)
			if err != nil {
				return err
			}
			keys, err := layercli.Keys(cmd.Context(), sh)
			if err != nil {
				return err
			}
			return e.from(cmd.Context(), from, keys, func(s guestrestore.Source) error {
				done, err := guestrestore.Extract(cmd.Context(), s, disk, out)
				if done.Swept {
					e.Tell.Say(s.Subject.String(), "what a killed run had left beside %s was removed", done.Path)
				}
				if errors.Is(err, os.ErrExist) {
					err = tell.Hint(err, "--output names another place")
				}
				if err != nil {
					return err
				}
				return e.showExtracted(s, done, disk != "")
			})
		},
	}
	w.flags(verb)
	verb.Flags().StringVar(&at, "at", "", "time of the set, as "+catalog.TimeLayout+" (default: the newest complete one)")
	verb.Flags().StringVar(&disk, "disk", "", "this disk alone, as scsi0")
	verb.Flags().StringVarP(&out, "output", "o", "", "where to: a new folder, or the file of --disk; always needed")
	return verb
}

func (e *estate) showExtracted(s guestrestore.Source, done guestrestore.Extracted, file bool) error {
	line := struct {
		Format   int                 `json:"format"`
		Folder   string              `json:"folder"`
		Manifest string              `json:"manifest"`
		Path     string              `json:"path"`
		Files    []guestrestore.File `json:"files"`
		LeftOut  []string            `json:"leftOut,omitempty"`
	}{1, s.Subject.String(), s.Set.Name(), done.Path, done.Files, leftOut(done.About.LeftOut)}
	return e.Print(line, func(w io.Writer) {
		for _, f := range done.Files {
			path := filepath.Join(done.Path, f.Name)
			if file {
				path = done.Path
			}
			fmt.Fprintf(w, "%s  %s\n", host.Printable(path), tell.Bytes(f.Size))
		}
		showLeftOut(w, line.LeftOut)
	})
}
