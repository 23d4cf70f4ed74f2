package pvecli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestpolicy"
	"github.com/railiance/railiance/tools/internal/guestset"
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
			e, err := open(sh, w)
			if err != nil {
				return err
			}
			folders, err := e.folders(cmd.Context(), args)
			if err != nil {
				return err
			}
			lines := e.stand(folders)
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
	Read    time.Time `json:"read,omitzero"`   // when that set was last read whole
	Opened  time.Time `json:"opened,omitzero"` // and with the private key
	Verdict string    `json:"verdict"`
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
	fmt.Fprintf(w, "%-12s %-20s %-16s %10s %10s %3d kept  %-32s %s\n", s.Folder, s.Name, s.Site, age, tell.Bytes(s.Size), s.Sets, proof, s.Verdict)
}

// stand compares what is there with what the policy wants: of each guest that
// has a backup anywhere, in each site that it should be in.
func (e *estate) stand(folders []folder) []standing {
	known := map[string]proofs{}
	for _, p := range e.places {
		known[p.name] = e.readProofs(p)
	}
	var lines []standing
	has := map[string]bool{}
	var subjects []guestset.Subject
	for _, f := range folders {
		has[f.title()] = true
		if !slices.Contains(subjects, f.subject) {
			subjects = append(subjects, f.subject)
		}
		if f.err == nil {
			lines = append(lines, e.standing(f, known[f.place.name]))
		}
	}
	for _, s := range subjects {
		rule := e.rule(s)
		for _, p := range e.places {
			if !p.copy && !rule.Skip && slices.Contains(rule.Sites, p.name) && !has[folder{place: p, subject: s}.title()] {
				lines = append(lines, standing{Format: 1, Site: p.name, Folder: s.String(), Seconds: -1, Verdict: "MISSING in this site"})
			}
		}
	}
	slices.SortStableFunc(lines, func(a, b standing) int {
		sa, _ := guestset.Parse(a.Folder)
		sb, _ := guestset.Parse(b.Folder)
		return cmp.Or(order(sa, sb), cmp.Compare(a.Site, b.Site))
	})
	return lines
}

// rule is what the policy says of s.
func (e *estate) rule(s guestset.Subject) guestpolicy.Rule {
	if s.Kind == guestset.Node {
		return e.layer.Guests.Node()
	}
	return e.layer.Guests.For(s.ID, nil, "")
}

func (e *estate) standing(f folder, known proofs) standing {
	line := standing{Format: 1, Site: f.place.name, Folder: f.subject.String(), Seconds: -1, Verdict: fine}
	for _, s := range f.sets {
		if s.Complete() {
			line.Sets++
		}
	}
	rule := e.rule(f.subject)
	newest, ok := catalog.NewestComplete(f.sets)
	if ok {
		shown := f.listed(newest, e.Now())
		line.Name, line.Time, line.Seconds, line.Size = shown.Name, newest.Time, shown.Seconds, shown.Size
		proof := known.of(f, newest)
		line.Read, line.Opened = proof.Read, proof.Opened
	}
	age := e.Now().Sub(line.Time)
	switch {
	case !ok:
		line.Verdict = "NO complete set"
	case age < -time.Hour:
		// Else it would pass for fresh until its time has come.
		line.Verdict = "FROM THE FUTURE: this clock or the one that made it is wrong"
	case f.place.copy || rule.Skip:
		// Nobody promises that a copy is fresh, or what is not backed up any more.
	case age > rule.MaxAge:
		line.Verdict = fmt.Sprintf("TOO OLD: %s is allowed", rule.MaxAge)
	}
	if len(f.problems) > 0 {
		line.Verdict = fmt.Sprintf("%d manifests are NOT TRUSTED", len(f.problems))
	}
	return line
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
			fmt.Fprintf(w, ", %s", s.Proof)
		}
		fmt.Fprintln(w)
	})
}
