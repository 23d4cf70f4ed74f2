package pvecli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/guestpolicy"
	"github.com/railiance/railiance/tools/internal/guestrestore"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/pve"
)

type drilling struct {
	where
	oldest        bool
	node, storage string
	ids           string
	noBoot        bool
	ready, settle time.Duration
}

func drill(sh *plugin.Shell) *cobra.Command {
	var f drilling
	verb := &cobra.Command{
		Use:   "drill [GUEST…]",
		Short: "Restore a guest where it does no harm, compare its disks, boot it, and take it away again",
		Long: `Restores the newest complete set of each guest that is named, or of the one that
was not drilled for longest, under a free number of guests.drill.ids in
layer.yaml, with hardware addresses of its own. Before it boots its network
cables are pulled, devices and folders of the node and its hook are taken from
it, and its disks are read back from the cluster and compared with the day of the
backup. Then it is started, and has to answer: its guest agent, or a program in a
container; a machine without an agent has to go on running. It is destroyed
again, however the drill ends. Needs the private key.

What it proves is stamped: "booted" where something inside answered; "runs" where
there is no guest agent to ask, which says nothing of the system inside; or
"contents" where it was not started. What a killed drill has left is removed by the next
one, by its note and the tag ` + pve.DrillTag + `. It takes no lock.

Exit status: 0 proven; 1 something is wrong, or could not be tried; 2 usage or
configuration.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) > 0) == f.oldest {
				return &plugin.Usage{Err: errors.New("name the guests to drill, or say --oldest-drilled")}
			}
			for _, arg := range args {
				if err := parseGuest(arg); err != nil {
					return err
				}
			}
			e, keys, err := openForRestore(cmd.Context(), sh, f.where)
			if err != nil {
				return err
			}
			d, err := f.drill(e)
			if err != nil {
				return err
			}
			return sh.Deed(cmd.Context(), e.layer, plugin.Drill, func(ctx context.Context) error {
				return (&rehearsal{estate: e, keys: keys, drill: d}).do(ctx, args)
			})
		},
	}
	f.flags(verb)
	flags := verb.Flags()
	flags.BoolVar(&f.oldest, "oldest-drilled", false, "the guest that was not drilled for longest")
	flags.StringVar(&f.node, "node", "", "node to drill on (default: guests.drill.node, or where it ran)")
	flags.StringVar(&f.storage, "storage", "", "storage for its disks (default: guests.drill.storage, or where they were)")
	flags.StringVar(&f.ids, "ids", "", "numbers to take a free one of, as 990000-990099 (default: guests.drill.ids)")
	flags.BoolVar(&f.noBoot, "no-boot", false, "compare the disks, and do not start it")
	flags.DurationVar(&f.ready, "ready", 5*time.Minute, "how long it may take until it answers")
	flags.DurationVar(&f.settle, "settle", 20*time.Second, "how long one that nobody can ask has to run")
	return verb
}

// drill is the drill that is asked for, on top of what the policy says.
func (f *drilling) drill(e *estate) (*guestrestore.Drill, error) {
	policy := e.layer.Guests.Drill
	if f.ids != "" {
		ids, err := guestpolicy.ParseIDs(f.ids)
		if err != nil {
			return nil, &plugin.Usage{Err: fmt.Errorf("ids: %w", err)}
		}
		policy.IDs = ids
	}
	if f.node != "" {
		policy.Node = f.node
	}
	if f.storage != "" {
		policy.Storage = f.storage
	}
	return &guestrestore.Drill{
		Memory: e.memory, Tell: e.Tell, First: policy.IDs.First, Last: policy.IDs.Last,
		Node: policy.Node, Storage: policy.Storage, NoBoot: f.noBoot, Ready: f.ready, Settle: f.settle,
	}, nil
}
