package restorecli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guide"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/recovery"
	"github.com/railiance/railiance/tools/internal/sign"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

func list(sh *plugin.Shell) *cobra.Command {
	var from source
	verb := &cobra.Command{
		Use:   "list",
		Short: "List the sets, the newest first, and print the guide for this machine; changes nothing",
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := sh.Layer()
			if err != nil {
				return err
			}
			dir, err := from.open(l)
			if err != nil {
				return err
			}
			return listSets(cmd.Context(), sh, l, dir)
		},
	}
	verb.Flags().StringVar(&from.from, "from", "", "folder that holds the sets (default: the layer's own)")
	return verb
}

// listed is a set as the list shows it.
type listed struct {
	Format    int       `json:"format"`
	Manifest  string    `json:"manifest"`
	Trusted   bool      `json:"trusted"`
	Why       string    `json:"why,omitempty"` // it is not trusted
	Time      time.Time `json:"time"`
	Seconds   int64     `json:"ageSeconds"`
	Sequence  int64     `json:"sequence"`
	Host      string    `json:"host"`
	Complete  bool      `json:"complete"`
	Protected bool      `json:"protected"`
	Datastore string    `json:"datastore,omitempty"` // etcd, state-db
	K3s       string    `json:"k3s,omitempty"`
	Size      int64     `json:"size"`
	Assets    []string  `json:"assets"`
	Failed    []string  `json:"failed,omitempty"`
}

func listedOf(m *catalog.Manifest, now time.Time) listed {
	l := listed{
		Format: 1, Manifest: m.Name(), Time: m.Time, Seconds: int64(now.Sub(m.Time).Seconds()), Sequence: m.Sequence,
		Host: host.Printable(m.Host), Complete: m.Complete(), Assets: []string{},
	}
	for _, a := range m.Artifacts {
		l.Size += a.Size
		l.Assets = append(l.Assets, a.Asset)
		if a.Kind == asset.KindEtcd || a.Kind == asset.KindStateDB {
			l.Datastore, l.K3s = a.Kind, host.Printable(a.Source["k3s"])
		}
	}
	for _, f := range m.Failures {
		l.Failed = append(l.Failed, host.Printable(f.Asset))
	}
	return l
}

func (s listed) text(w io.Writer) {
	verdict := "complete"
	switch {
	case !s.Trusted:
		verdict = "NOT TRUSTED: " + s.Why
	case !s.Complete:
		verdict = "NOT COMPLETE, lacks " + strings.Join(s.Failed, " ")
	}
	if s.Protected {
		verdict += ", protected"
	}
	fmt.Fprintf(w, "%s  number %d, %s old, %s, of %s, %s  %s\n    %s  %s\n", s.Time.Format(catalog.TimeLayout), s.Sequence,
		tell.Age(time.Duration(s.Seconds)*time.Second), tell.Bytes(s.Size), s.Host, verdict, s.K3s, strings.Join(s.Assets, " "), s.Manifest)
}

func listSets(ctx context.Context, sh *plugin.Shell, l *layer.Layer, dir *store.Dir) error {
	trusted, err := sign.LoadTrust(l.Signers)
	if errors.Is(err, fs.ErrNotExist) {
		// A list helps also those who must find that file first.
		sh.Tell.Fail("", tell.Hint(err, "allowed_signers comes with the repository; until it is here nothing in this list is proven to be ours"))
		trusted, err = &sign.Trust{}, nil
	}
	if err != nil {
		return err
	}
	found, problems, err := catalog.Read(ctx, dir, trusted)
	if err != nil {
		return err
	}
	for _, s := range found {
		line := listedOf(s.Manifest, sh.Now())
		line.Trusted, line.Protected = true, s.Protected
		if err := sh.Print(line, line.text); err != nil {
			return err
		}
	}
	for _, p := range problems {
		line, ok := untrusted(ctx, dir, p, sh.Now())
		if !ok {
			sh.Tell.Warn("", "%v", p)
			continue
		}
		if err := sh.Print(line, line.text); err != nil {
			return err
		}
	}
	under, err := recovery.ReadJournal(l.K3s)
	switch {
	case err != nil:
		sh.Tell.Fail("", err)
	case under != nil:
		sh.Tell.Warn("", "a restore of %s is under way: %s; apply goes on with it, %s takes it back", under.Manifest, under.Stands(), recovery.WayBack)
	}
	if left := recovery.Leftover(l); left != "" {
		sh.Tell.Warn("", "%s holds what a restore decrypted that runs now or was killed: apply goes on with it, %s removes it", left, recovery.WayBack)
	}
	if len(found)+len(problems) == 0 {
		sh.Tell.Warn("", "%s holds no set", dir.Path())
	}
	if sh.JSON {
		return nil
	}
	fmt.Fprintln(sh.Stdout)
	return guide.Machine(sh.Stdout, facts(sh, l, dir, found))
}

// untrusted is what a manifest says of itself that nobody vouches for.
func untrusted(ctx context.Context, dir *store.Dir, p catalog.Problem, now time.Time) (listed, bool) {
	if _, ok := catalog.TimeOf(p.Name); !ok {
		return listed{}, false
	}
	r, err := dir.Open(ctx, p.Name)
	if err != nil {
		return listed{}, false
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, catalog.MaxManifest+1))
	if err != nil {
		return listed{}, false
	}
	m, err := catalog.Decode(p.Name, b)
	if err != nil {
		return listed{}, false
	}
	line := listedOf(m, now)
	line.Why = host.Printable(tell.Line(p.Err.Error()))
	return line, true
}

// facts are about the set that apply would take.
func facts(sh *plugin.Shell, l *layer.Layer, dir *store.Dir, found []catalog.Set) guide.Facts {
	f := guide.Facts{Layer: l, Backups: dir.Path(), FromFlag: dir.Path() != l.Backups}
	for _, s := range found {
		if s.Layer != l.Name || !recovery.Restorable(s) {
			continue
		}
		line := listedOf(s.Manifest, sh.Now())
		f.Set, f.SQLite, f.Version = s.Time.Format(catalog.TimeLayout), line.Datastore == asset.KindStateDB, line.K3s
		datastore, _ := ofKind(s, line.Datastore)
		f.Others = datastore.Contents["registry/minions"] > 1
		break
	}
	return f
}
