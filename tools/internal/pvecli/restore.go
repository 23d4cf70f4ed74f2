package pvecli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestrestore"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/layercli"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/tell"
)

type restoring struct {
	where
	at            string
	node, storage string
	as            int
	replace, yes  bool
	start         bool
}

func restore(sh *plugin.Shell) *cobra.Command {
	var f restoring
	verb := &cobra.Command{
		Use:   "restore GUEST",
		Short: "Put a guest back into the cluster; needs the private key",
		Long: `Streams the newest complete set of a guest, or the one of --at, from whichever
site holds it into the cluster: onto the node and the storages where it was, or
those of --node and --storage, under its own number or that of --as. It is taken
apart and compared with the day of the backup on its way, and its end is held
back until all of it is proven: a guest that is not what was backed up never
stands, and nothing is left of it. Beside its original it gets hardware addresses
of its own. It is not started, unless --start says so.

Nothing is put over a guest that is there, but with --replace, for one that is
shut down: then all of the backup is read and proven first, and you are asked.

Interrupted, it removes what it made; killed, the next restore or drill does.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &plugin.Usage{Err: errors.New("restore: name one guest, as 100 or vm-100")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.do(cmd.Context(), sh, args[0]) },
	}
	f.flags(verb)
	flags := verb.Flags()
	flags.StringVar(&f.at, "at", "", "time of the set, as "+catalog.TimeLayout+" (default: the newest complete one)")
	flags.IntVar(&f.as, "as", 0, "number of the restored guest (default: its own)")
	flags.StringVar(&f.node, "node", "", "node to restore to (default: where it ran)")
	flags.StringVar(&f.storage, "storage", "", "storage for all its disks (default: where they were)")
	flags.BoolVar(&f.start, "start", false, "start it when all is well")
	flags.BoolVar(&f.replace, "replace", false, "destroy the guest that has the number, which must be shut down")
	flags.BoolVar(&f.yes, "yes", false, "do not ask")
	return verb
}

func (f *restoring) do(ctx context.Context, sh *plugin.Shell, guest string) error {
	at, err := parseAt(f.at)
	if err == nil {
		err = parseGuest(guest)
	}
	if err == nil && f.as != 0 && (f.as < 100 || f.as > 999999999) {
		err = &plugin.Usage{Err: fmt.Errorf("as: Proxmox takes numbers from 100 to 999999999")}
	}
	if err != nil {
		return err
	}
	e, keys, err := openForRestore(ctx, sh, f.where)
	if err != nil {
		return err
	}
	from, err := e.choose(ctx, guest, at)
	if err != nil {
		return err
	}
	cluster, end, err := e.connect(ctx)
	if err != nil {
		return err
	}
	defer end()
	if err := guestrestore.Sweep(ctx, cluster, e.memory, e.Tell); err != nil {
		e.Tell.Fail("", err)
	}
	r := &guestrestore.Restore{
		Cluster: cluster, Memory: e.memory, Tell: e.Tell,
		ID: f.as, Node: f.node, Storage: f.storage, Replace: f.replace, Start: f.start,
		Agree: func(p guestrestore.Plan) error { return e.agree(p, f.yes) },
	}
	return e.from(ctx, from, keys, func(s guestrestore.Source) error {
		done, err := r.Do(ctx, s)
		if done.Made.ID == 0 {
			return err
		}
		// It stands, even if it did not start.
		return errors.Join(err, e.showRestored(s, done), record(ctx, e.Shell, e.layer, account{
			fmt.Sprintf("restore: %s of %s as %d on %s", s.Subject, s.Set.Time.Format(catalog.TimeLayout), done.ID, done.Node),
			"", []string{s.Subject.String(), fmt.Sprintf("%s-%d", s.Subject.Kind, done.ID)},
		}))
	})
}

// openForRestore opens the estate, the cluster even where the sets are read from
// a copy, and the private keys.
func openForRestore(ctx context.Context, sh *plugin.Shell, w where) (*estate, []age.Identity, error) {
	w.key = true
	e, err := open(ctx, sh, w)
	if err == nil && w.from != "" {
		err = e.readContext()
	}
	if err != nil {
		return nil, nil, err
	}
	keys, err := layercli.Keys(ctx, sh)
	return e, keys, err
}

// agree tells what is about to happen, and asks where something is lost by it.
func (e *estate) agree(p guestrestore.Plan, yes bool) error {
	to := p.Storage
	if to == "" {
		to = "the storages of its disks"
	}
	e.Tell.Say("", "restoring %d (%s) to %s, %s", p.ID, host.Printable(p.About.Name), p.Node, to)
	if p.Unique {
		e.Tell.Say("", "its original is there too: it gets hardware addresses of its own")
	}
	for _, out := range leftOut(p.About.LeftOut) {
		e.Tell.Warn("", "not in the backup: %s", out)
	}
	if p.Old == nil {
		return nil
	}
	for _, d := range p.Old.LeftOut() {
		e.Tell.Warn("", "%s of the guest that is there is not in a backup, and would be lost: %s", d.Called(), d.Why)
	}
	return e.confirmReplace(*p.Old, yes)
}

// confirmReplace has a person type what is to be destroyed: y comes too easily.
func (e *estate) confirmReplace(old pve.Guest, yes bool) error {
	name := fmt.Sprintf("%s-%d", old.Short(), old.ID)
	if yes {
		return nil
	}
	if !term.IsTerminal(int(e.Stdin.Fd())) {
		return &plugin.Usage{Err: tell.Hint(errors.New("there is no terminal to ask on, and nothing was changed"), "--yes answers")}
	}
	fmt.Fprintf(e.Tell.W, "%s (%s) on %s will be destroyed with all its disks; type %s to do it: ", name, old.Name, old.Node, name)
	answer, err := bufio.NewReader(io.LimitReader(e.Stdin, 1000)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if strings.TrimSpace(answer) != name {
		return errors.New("not confirmed: nothing was changed")
	}
	return nil
}

func (e *estate) showRestored(s guestrestore.Source, r guestrestore.Restored) error {
	line := struct {
		Format   int      `json:"format"`
		Folder   string   `json:"folder"`
		Manifest string   `json:"manifest"`
		Guest    int      `json:"guest"`
		Name     string   `json:"name"`
		Node     string   `json:"node"`
		Storage  string   `json:"storage,omitempty"`
		Unique   bool     `json:"unique"`
		Replaced bool     `json:"replaced"`
		Started  bool     `json:"started"`
		LeftOut  []string `json:"leftOut,omitempty"`
	}{
		1, s.Subject.String(), s.Set.Name(), r.ID, host.Printable(r.About.Name), r.Node, r.Storage, r.Unique, r.Old != nil, r.Started,
		leftOut(r.About.LeftOut),
	}
	return e.Print(line, func(w io.Writer) {
		what := "not started"
		if r.Started {
			what = "started"
		}
		fmt.Fprintf(w, "%s of %s is %d (%s) on %s, %s\n", line.Folder, s.Set.Time.Format(catalog.TimeLayout), line.Guest, line.Name, line.Node, what)
		showLeftOut(w, line.LeftOut)
	})
}
