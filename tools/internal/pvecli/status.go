package pvecli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/guestrestore"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/tell"
)

func status(sh *plugin.Shell) *cobra.Command {
	var w where
	verb := &cobra.Command{
		Use:   "status [GUEST…]",
		Short: "Age, size and proof of each guest's newest backup in each site, and who has none",
		Long: `Exit status: 0 each guest has a backup in each site where the policy wants one,
and none is older than it may be; 1 something is not as it should be, and every
line says what; 2 usage or configuration.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := open(cmd.Context(), sh, w)
			if err != nil {
				return err
			}
			folders, err := e.folders(cmd.Context(), args)
			if err != nil {
				return err
			}
			lines, err := e.stand(folders, len(args) == 0)
			if err != nil {
				return err
			}
			bad := 0
			for _, line := range lines {
				if line.Verdict != fine {
					bad++
				}
				if err := sh.Print(line, line.text); err != nil {
					return err
				}
			}
			for _, name := range []string{state.BackupStamp, state.VerifyStamp, state.DrillStamp} {
				if err := e.stamp(name); err != nil {
					return err
				}
			}
			switch {
			case bad > 0:
				return tell.Hint(fmt.Errorf("%d of %d are not as they should be", bad, len(lines)), "backup makes new sets; verify says more of what is wrong with the old ones")
			case len(lines) == 0 && e.broken == 0:
				return tell.Hint(errors.New("there is no backup"), "make backup makes the first ones")
			}
			return e.done()
		},
	}
	w.flags(verb)
	return verb
}

const fine = "ok"

// standing is how one guest stands in one site.
type standing struct {
	Format  int       `json:"format"`
	Site    string    `json:"site"`
	Folder  string    `json:"folder"`
	Name    string    `json:"name,omitempty"`
	Time    time.Time `json:"time,omitzero"` // of the newest complete set
	Seconds int64     `json:"ageSeconds"`    // -1: there is none
	Size    int64     `json:"size"`
	Sets    int       `json:"sets"`
	Read    time.Time `json:"read,omitzero"`    // when that set was last read whole
	Opened  time.Time `json:"opened,omitzero"`  // and with the private key
	Drilled time.Time `json:"drilled,omitzero"` // when the guest was last restored in a rehearsal
	// DrillProof is what that rehearsal has proven.
	DrillProof string `json:"drillProof,omitempty"`
	Gone       bool   `json:"gone,omitempty"` // the newest discovery did not find the guest
	Verdict    string `json:"verdict"`

	late bool // the verdict is no more than that
}

func (s standing) text(w io.Writer) {
	age, proof := "never", "not verified"
	if s.Seconds >= 0 || !s.Time.IsZero() {
		age = tell.Age(time.Duration(s.Seconds)*time.Second) + " old"
	}
	if !s.Read.IsZero() {
		proof = "read " + s.Read.Format(time.DateOnly)
	}
	if !s.Opened.IsZero() {
		proof += ", opened " + s.Opened.Format(time.DateOnly)
	}
	if !s.Drilled.IsZero() {
		proof += ", drilled " + s.Drilled.Format(time.DateOnly)
		if s.DrillProof != guestrestore.ProofBooted {
			proof += " (" + guestrestore.InWords(s.DrillProof) + ")"
		}
	}
	if s.Gone {
		proof += ", GONE from the cluster"
	}
	fmt.Fprintf(w, "%-12s %-20s %-16s %10s %10s %3d kept  %-32s %s\n", s.Folder, s.Name, s.Site, age, tell.Bytes(s.Size), s.Sets, proof, s.Verdict)
}

// stamp prints when a deed last succeeded.
func (e *estate) stamp(name string) error {
	line := struct {
		Format  int          `json:"format"`
		Stamp   string       `json:"stamp"`
		Seconds int64        `json:"ageSeconds"` // -1: never
		Proof   *state.Stamp `json:"proof,omitempty"`
	}{1, name, -1, nil}
	s, err := state.ReadStamp(e.layer.Backups, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil {
		line.Proof, line.Seconds = &s, int64(e.Now().Sub(s.Time).Seconds())
	}
	return e.Print(line, func(w io.Writer) {
		if line.Proof == nil {
			fmt.Fprintf(w, "%-12s never\n", name[1:])
			return
		}
		fmt.Fprintf(w, "%-12s %s ago, in %s", name[1:], tell.Age(time.Duration(line.Seconds)*time.Second), time.Duration(s.Seconds*float64(time.Second)).Round(time.Second))
		if s.Proof != "" {
			fmt.Fprintf(w, ", %s", guestrestore.InWords(s.Proof))
		}
		fmt.Fprintln(w)
	})
}
