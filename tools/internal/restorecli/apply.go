package restorecli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"filippo.io/age"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/layercli"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/recovery"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

type applied struct {
	source
	asset, to    string
	unpack, keep bool
	back, yes    bool
	ready        time.Duration
}

func apply(sh *plugin.Shell) *cobra.Command {
	var a applied
	verb := &cobra.Command{
		Use:   "apply",
		Short: "Restore: the whole server, or one asset into a folder; needs the private key",
		Long: `Restores the k3s server from the newest set that holds all of it, or from the
one that --at names. Everything is decrypted, checked and compared before the
first change; the differences are shown, and you are asked. What is there is kept
beside the datastore. Interrupted anywhere, the same call goes on from where it
stands, and --back puts back what was there.

With --asset and --to one asset is decrypted, checked and written into a folder,
and nothing else is touched.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := sh.Layer()
			if err != nil {
				return err
			}
			switch {
			case (a.asset == "") != (a.to == ""):
				return &plugin.Usage{Err: errors.New("one asset is restored into a folder: ASSET= and TO= belong together (--asset, --to)")}
			case a.asset != "" && (a.back || a.keep), a.unpack && a.asset == "", a.back && (a.at != "" || a.from != ""):
				return &plugin.Usage{Err: errors.New("these flags do not go together")}
			case a.asset != "":
				return a.single(cmd.Context(), sh, l)
			}
			return a.whole(cmd.Context(), sh, l)
		},
	}
	a.flags(verb)
	verb.Flags().StringVar(&a.asset, "asset", "", "restore this asset alone, into the folder of --to")
	verb.Flags().StringVar(&a.to, "to", "", "folder that --asset is written into; nothing in it is overwritten")
	verb.Flags().BoolVar(&a.unpack, "unpack", false, "with --asset: unpack an archive into a folder")
	verb.Flags().BoolVar(&a.keep, "keep-config", false, "leave k3s's configuration on this machine as it is")
	verb.Flags().BoolVar(&a.back, "back", false, "put back what was there before the last restore")
	verb.Flags().BoolVar(&a.yes, "yes", false, "do not ask")
	verb.Flags().DurationVar(&a.ready, "ready", recovery.DefaultReady, "how long k3s may take until it is ready")
	return verb
}

func (a *applied) single(ctx context.Context, sh *plugin.Shell, l *layer.Layer) error {
	dir, err := a.open(l)
	if err != nil {
		return err
	}
	set, err := a.choose(ctx, sh, l, dir, func(s catalog.Set) bool { return s.Holds(a.asset) })
	if err != nil {
		return err
	}
	artifact, _ := set.Artifact(a.asset)
	ids, err := layercli.Keys(ctx, sh)
	if err != nil {
		return err
	}
	path, err := recovery.Single(ctx, dir, artifact, ids, a.to, a.unpack)
	if err != nil {
		return err
	}
	result := struct {
		Format   int    `json:"format"`
		Asset    string `json:"asset"`
		Manifest string `json:"manifest"`
		Path     string `json:"path"`
	}{1, a.asset, set.Name(), path}
	return sh.Print(result, func(w io.Writer) { fmt.Fprintln(w, path) })
}

func (a *applied) whole(ctx context.Context, sh *plugin.Shell, l *layer.Layer) (err error) {
	unlock, err := lock(l)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	agree := func(p recovery.Plan) error {
		if err := sh.Print(p, func(w io.Writer) { showPlan(w, p) }); err != nil {
			return err
		}
		return layercli.Confirm(sh, a.yes, "do this?")
	}
	r := &recovery.Restore{
		Layer: l, Tell: sh.Tell, Now: sh.Now, KeepConfig: a.keep, Ready: a.ready,
		Keys: func() ([]age.Identity, error) { return layercli.Keys(ctx, sh) },
	}
	if a.back {
		return a.goBack(ctx, sh, r, agree)
	}
	under, err := recovery.ReadJournal(l.K3s)
	if err != nil {
		return err
	}
	if under != nil {
		sh.Tell.Say("", "a restore of %s is under way: %s", under.Manifest, under.Stands())
		if t, ok := catalog.TimeOf(under.Manifest); ok && a.at == "" {
			a.at = t.Format(catalog.TimeLayout)
		}
		if a.from == "" && under.From != l.Backups {
			a.from = under.From
		}
	}
	if r.From, err = a.open(l); err != nil {
		return err
	}
	if r.Set, err = a.choose(ctx, sh, l, r.From, recovery.Restorable); err != nil {
		return err
	}
	report, err := r.Do(ctx, agree)
	if err != nil {
		return err
	}
	return told(sh, l, r.From.Path(), r.Set, report)
}

func (a *applied) goBack(ctx context.Context, sh *plugin.Shell, r *recovery.Restore, agree func(recovery.Plan) error) error {
	last, err := recovery.Newest(r.Layer)
	if err != nil {
		return err
	}
	if last == nil {
		// One that was killed before its first change has changed nothing.
		return errors.Join(errors.New("no restore was made here: there is nothing to go back to"), recovery.Sweep(r.Layer))
	}
	if err := r.Back(ctx, last, agree); err != nil {
		return err
	}
	_, err = fmt.Fprintf(sh.Stdout, "what was there before the restore of %s is back; what that restore had made is in %s\n", last.Manifest, last.Before)
	return err
}

// lock keeps backups and other restores away. The backup folder may be on a
// medium that cannot be written, or not be there on a new machine.
func lock(l *layer.Layer) (func() error, error) {
	dir, err := store.MakeDir(l.Backups)
	if err == nil {
		held, err := state.Acquire(dir.Path())
		if err == nil {
			return held.Unlock, nil
		}
		if errors.Is(err, state.ErrHeld) {
			return nil, err
		}
	}
	if err := os.MkdirAll(l.K3s.DataDir, 0o755); err != nil {
		return nil, err
	}
	held, err := state.Acquire(l.K3s.DataDir)
	if err != nil {
		return nil, tell.Hint(err, "run this as root")
	}
	return held.Unlock, nil
}
