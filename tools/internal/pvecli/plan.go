package pvecli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/access"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/layercli"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

func plan(sh *plugin.Shell) *cobra.Command {
	return &cobra.Command{
		Use:   "plan",
		Short: "What a backup of all guests would do, and whether it could, without doing it",
		Long: `Asks the signing key, the rules of .sops.yaml, every site and every node, and
says what would be done with each guest and why. Writes nothing but a draft in
each site, which is removed at once.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			e, err := open(cmd.Context(), sh, where{})
			if err != nil {
				return err
			}
			return (&planning{estate: e}).do(cmd.Context())
		},
	}
}

// planned is one line of a plan.
type planned struct {
	Format  int      `json:"format"`
	About   string   `json:"about,omitempty"` // a site, a node or a guest's folder
	Would   string   `json:"would,omitempty"`
	To      []string `json:"to,omitempty"` // recipients
	Trouble string   `json:"trouble,omitempty"`
}

type planning struct {
	*estate
	troubles int
}

func (p *planning) say(line planned, err error) error {
	line.Format = 1
	if err != nil {
		p.troubles++
		line.Trouble = tell.Line(err.Error())
		p.Tell.Fail(line.About, err)
	}
	return p.Print(line, func(w io.Writer) {
		if err == nil {
			fmt.Fprintln(w, line.Would)
		}
	})
}

func (p *planning) do(ctx context.Context) error {
	signing, err := layercli.Signing(p.Shell, p.layer)
	if err := p.say(planned{Would: signing}, err); err != nil {
		return err
	}
	if p.layer.SOPS == "" {
		return tell.Hint(fmt.Errorf("no .sops.yaml from %s upward says who may read the backups", p.layer.Dir), "make init makes a key and that file")
	}
	vm := guestset.Guest(guestset.VM, 100).String()
	to, err := access.ForPath(p.layer.SOPS, filepath.Join(p.layer.Backups, vm, catalog.ArtifactName(vm, p.Now(), guestset.ExtVMA)))
	if err := p.say(planned{Would: fmt.Sprintf("encrypt to the %d recipients of %s", len(to.Strings), p.layer.SOPS), To: to.Strings}, err); err != nil {
		return err
	}
	for _, place := range p.places {
		err := place.site.Check(ctx, 0)
		would := fmt.Sprintf("write to %s, %s", place.name, place.site.Where())
		if dir, ok := place.site.(*store.DirSite); ok && !dir.Marked() {
			would += ", without a marker: that a disk is not mounted there would not be noticed"
		}
		if err := p.say(planned{About: place.name, Would: would}, err); err != nil {
			return err
		}
	}
	if err := p.nodes(ctx); err != nil {
		return err
	}
	if p.troubles+p.broken > 0 {
		return tell.Hint(errors.New("a backup would not be complete"), "every line above names its cause")
	}
	return nil
}

func (p *planning) nodes(ctx context.Context) error {
	cluster, end, err := p.connect(ctx)
	if err != nil {
		return err
	}
	defer end()
	inv, err := cluster.Discover(ctx)
	if err != nil {
		return err
	}
	for _, n := range inv.Nodes {
		if err := p.say(planned{About: n.Name, Would: fmt.Sprintf("ask %s, Proxmox VE %s, by ssh %s", n.Name, n.Version, n.Target)}, n.Err); err != nil {
			return err
		}
		if err := p.node(n); err != nil {
			return err
		}
	}
	for _, conflict := range inv.Conflicts {
		p.Tell.Warn("", "%s", conflict)
	}
	for _, g := range inv.Guests {
		if g.Unseen {
			continue // its node was told
		}
		if err := p.guest(g); err != nil {
			return err
		}
	}
	return nil
}

func (p *planning) guest(g pve.Guest) error {
	r := p.ruleOf(g)
	line := planned{About: subjectOf(g).String()}
	title := strings.TrimSpace(fmt.Sprintf("%s %s on %s", line.About, g.Name, g.Node))
	if r.Skip {
		line.Would = "leave out " + title + ": the policy says so"
		return p.say(line, nil)
	}
	line.Would = fmt.Sprintf("back up %s to %s by %s", title, strings.Join(r.Sites, " and "), r.Mode)
	switch {
	case r.Fleecing != "":
		line.Would += ", fleecing to " + r.Fleecing
	case r.Spool.Max > 0:
		line.Would += fmt.Sprintf(", through a spool of %s in %s", tell.Bytes(int64(r.Spool.Max)), r.Spool.Dir)
		if info, err := os.Stat(r.Spool.Dir); err != nil || !info.IsDir() {
			p.Tell.Warn(line.About, "would go without a spool: %s is no folder; install -d -m 700 %s", r.Spool.Dir, r.Spool.Dir)
		}
	}
	if r.BandwidthKiB > 0 {
		line.Would += fmt.Sprintf(", at %s a second", tell.Bytes(int64(r.BandwidthKiB)<<10))
	}
	line.Would += ", window " + r.Window.String() + ", at most " + r.Timeout.Round(time.Second).String()
	for _, d := range g.LeftOut() {
		line.Would += "; without " + d.Key + " (" + d.Why + ")"
	}
	if g.Lock != "" {
		return p.say(line, tell.Hint(fmt.Errorf("%s carries the lock %q", title, g.Lock), "if nothing works on it any more: qm unlock %d (pct unlock for a container)", g.ID))
	}
	return p.say(line, nil)
}
