package restorecli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/tell"
)

func status(sh *plugin.Shell) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Age, size and proof of each asset's newest backup",
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := sh.Layer()
			if err != nil {
				return err
			}
			dir, found, problems, err := sets(cmd.Context(), l)
			if err != nil {
				return tell.Hint(err, "make backup makes the first set, make trust says whose signature counts")
			}
			for _, p := range problems {
				sh.Tell.Fail("", p)
			}
			now := sh.Now()
			for _, line := range newestOfEach(found, now) {
				if err := sh.Print(line, line.text); err != nil {
					return err
				}
			}
			for _, d := range catalog.FindDropped(found) {
				sh.Tell.Warn(d.Asset, "%s", d)
			}
			for _, name := range []string{state.BackupStamp, state.VerifyStamp, state.DrillStamp} {
				if err := proof(sh, dir.Path(), name, now); err != nil {
					return err
				}
			}
			return judge(l, found, problems, now)
		},
	}
}

type assetStatus struct {
	Format   int       `json:"format"`
	Asset    string    `json:"asset"`
	Artifact string    `json:"artifact"`
	Time     time.Time `json:"time"`
	Seconds  int64     `json:"ageSeconds"`
	Size     int64     `json:"size"`
	Sets     int       `json:"sets"` // that hold the asset whole
}

func (s assetStatus) text(w io.Writer) {
	fmt.Fprintf(w, "%-12s %6s old %10s  %2d kept  %s\n", s.Asset, tell.Age(time.Duration(s.Seconds)*time.Second), tell.Bytes(s.Size), s.Sets, s.Artifact)
}

// newestOfEach finds the newest whole artifact of every asset.
func newestOfEach(found []catalog.Set, now time.Time) []assetStatus {
	var lines []assetStatus
	at := map[string]int{}
	for _, s := range found {
		for _, a := range s.Artifacts {
			if !s.Holds(a.Asset) {
				continue
			}
			if i, there := at[a.Asset]; there {
				lines[i].Sets++
				continue
			}
			at[a.Asset] = len(lines)
			lines = append(lines, assetStatus{1, a.Asset, a.Name, s.Time, int64(now.Sub(s.Time).Seconds()), a.Size, 1})
		}
	}
	return lines
}

type proofStatus struct {
	Format  int          `json:"format"`
	Stamp   string       `json:"stamp"`
	Seconds int64        `json:"ageSeconds"` // -1: never
	Proof   *state.Stamp `json:"proof,omitempty"`
}

func proof(sh *plugin.Shell, dir, name string, now time.Time) error {
	stamp, err := state.ReadStamp(dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return sh.Print(proofStatus{1, name, -1, nil}, func(w io.Writer) { fmt.Fprintf(w, "%-12s never\n", name[1:]) })
	}
	if err != nil {
		return err
	}
	age := now.Sub(stamp.Time)
	return sh.Print(proofStatus{1, name, int64(age.Seconds()), &stamp}, func(w io.Writer) {
		fmt.Fprintf(w, "%-12s %6s ago, of %s", name[1:], tell.Age(age), stamp.Manifest)
		if stamp.Proof != "" {
			fmt.Fprintf(w, ", proof: %s, restored in %.0f s", stamp.Proof, stamp.Seconds)
		}
		fmt.Fprintln(w)
	})
}

// judge is what an operator would want to be woken for.
func judge(l *layer.Layer, found []catalog.Set, problems []catalog.Problem, now time.Time) error {
	newest, ok := catalog.NewestComplete(found)
	switch {
	case !ok:
		return errors.New("there is no complete set")
	case newest.Time.Sub(now) > time.Hour:
		// Else it would pass for fresh until its time has come.
		return tell.Hint(fmt.Errorf("the newest complete set, %s, is from the future: how old it is cannot be told", newest.Name()),
			"date tells whether this clock is right; make backup makes a set of now")
	case now.Sub(newest.Time) > l.MaxAge:
		return fmt.Errorf("the newest complete set, %s, is %s old; %s is allowed", newest.Name(), tell.Age(now.Sub(newest.Time)), l.MaxAge)
	case len(problems) > 0:
		return tell.Hint(fmt.Errorf("%d manifests cannot be trusted", len(problems)), "make verify says more")
	}
	return nil
}
