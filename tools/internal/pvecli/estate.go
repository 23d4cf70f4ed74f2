package pvecli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/clustercontext"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/sign"
	"github.com/railiance/railiance/tools/internal/sites"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

// estate is what a verb works on: the layer, and the sites that its sets lie in.
type estate struct {
	*plugin.Shell
	layer   *layer.Layer
	memory  guestset.Memory
	trust   *sign.Trust
	cluster clustercontext.Cluster // zero where the sets are read from a copy
	places  []place
	shut    []shut
	after   []folder // what the sites hold when a deed is done
	broken  int      // what could not be read; it was told
	unread  []string // the sites among places whose folders are not known
	network string   // what was said of the network before a backup; empty: nobody asked
}

// place is a site as the policy names it.
type place struct {
	name string
	site store.Site
	copy bool // a folder that somebody copied: nothing is known of what it held
}

// shut is a site that cannot be opened.
type shut struct {
	name string
	err  error
}

// where is which sites a verb is called for.
type where struct {
	site, from string
	key        bool // the verb needs the private key
}

func (w *where) flags(verb *cobra.Command) {
	verb.Flags().StringVar(&w.site, "site", "", "this site alone, as server/store (default: all of layer.yaml)")
	verb.Flags().StringVar(&w.from, "from", "", "folder with a copy of a site, instead of the sites")
}

// guests loads the layer, which must be one of guests.
func guests(sh *plugin.Shell) (*layer.Layer, error) {
	l, err := sh.Layer()
	if err != nil {
		return nil, err
	}
	if l.Guests == nil {
		return nil, errNoGuests(l)
	}
	return l, nil
}

func errNoGuests(l *layer.Layer) error {
	return &plugin.Usage{Err: tell.Hint(fmt.Errorf("%s: layer %s has no guests", l.Dir, l.Name), "--layer names the folder of one that does, such as layers/madagascar")}
}

// open makes the estate of a call. Who may sign is asked of the repository,
// never of a site.
func open(ctx context.Context, sh *plugin.Shell, w where) (*estate, error) {
	l, err := guests(sh)
	if err != nil {
		return nil, err
	}
	e := &estate{Shell: sh, layer: l, memory: guestset.MemoryOf(l.State, l.Name)}
	if e.trust, err = sign.LoadTrust(l.Signers); err != nil {
		return nil, &plugin.Usage{Err: tell.Hint(err, "make trust pins this host's key; elsewhere allowed_signers comes with the repository")}
	}
	return e, e.openPlaces(ctx, w)
}

func (e *estate) openPlaces(ctx context.Context, w where) error {
	if w.from != "" {
		if w.site != "" {
			return &plugin.Usage{Err: errors.New("--site and --from do not go together")}
		}
		path, err := filepath.Abs(w.from)
		if err == nil {
			_, err = store.OpenDir(path)
		}
		if err != nil {
			return &plugin.Usage{Err: fmt.Errorf("from: %w", err)}
		}
		e.places = []place{{path, store.NewDirSite(path, ""), true}}
		return nil
	}
	if err := e.readContext(); err != nil {
		return err
	}
	names := e.layer.Guests.Sites
	if w.site != "" {
		name, err := one(names, w.site)
		if err != nil {
			return err
		}
		names = []string{name}
	}
	all, err := e.described(names)
	if err != nil {
		return err
	}
	if err := e.takeSecrets(ctx, all, w.key); err != nil {
		return err
	}
	for i, name := range names {
		site, err := sites.Open(all[i], os.Getenv)
		if err != nil {
			e.breaks(name, err)
			e.shut = append(e.shut, shut{name, err})
			continue
		}
		e.places = append(e.places, place{name: name, site: site})
	}
	if len(e.places) == 0 {
		return tell.Hint(errors.New("no site can be opened"), "see above")
	}
	return nil
}

// one is the name among names that is asked for, whole or by its last part.
func one(names []string, asked string) (string, error) {
	var found []string
	for _, name := range names {
		if name == asked || strings.HasSuffix(name, "/"+asked) {
			found = append(found, name)
		}
	}
	if len(found) != 1 {
		return "", &plugin.Usage{Err: fmt.Errorf("site: %q is not one of %s", asked, strings.Join(names, ", "))}
	}
	return found[0], nil
}

// breaks tells what is wrong with a site or a folder of one, which the verb then
// does without.
func (e *estate) breaks(site string, err error) {
	e.broken++
	e.Tell.Fail(site, err)
}

// done is the verb's error where nothing but sites failed.
func (e *estate) done() error {
	if e.broken > 0 {
		return plugin.ErrTold
	}
	return nil
}
