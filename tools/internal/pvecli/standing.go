package pvecli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestbackup"
	"github.com/railiance/railiance/tools/internal/guestpolicy"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/nodebackup"
	"github.com/railiance/railiance/tools/internal/pve"
)

// stand compares what is there with what the policy wants: of each guest that
// has a backup anywhere, in each site that it should be in; and, where all are
// asked for, of each guest that the newest discovery found, and of each node.
func (e *estate) stand(folders []folder, all bool) ([]standing, error) {
	guests, inv, err := e.guests()
	if err != nil {
		return nil, err
	}
	whole := inv != nil && !inv.Partial
	known := map[string]proofs{}
	for _, p := range e.places {
		known[p.name] = e.readProofs(p)
	}
	var lines []standing
	has := map[string]bool{}
	subjects := map[guestset.Subject]bool{}
	for _, f := range folders {
		has[f.title()], subjects[f.subject] = true, true
		if f.err == nil {
			line, err := e.standing(f, known[f.place.name], e.rule(f.subject, guests))
			if err != nil {
				return nil, err
			}
			g, there := guests[f.subject]
			if newest, ok := catalog.NewestComplete(f.backups()); ok && there && line.Verdict == fine && !f.place.copy &&
				inv.Time.After(newest.Time) && !guestbackup.Holds(newest.Manifest, g) {
				line.Verdict = "OF ANOTHER GUEST: the one that has the number now has no backup"
			}
			if line.Gone = whole && !there && !f.place.copy && f.subject.Kind != guestset.Node; line.Gone && line.late {
				line.Verdict = fine // of what is no more there are no new backups
			}
			lines = append(lines, line)
		}
	}
	for s := range guests {
		subjects[s] = subjects[s] || all
	}
	for _, node := range e.nodeNames() {
		s := nodebackup.SubjectOf(node)
		subjects[s] = subjects[s] || all
	}
	for s, asked := range subjects {
		rule := e.rule(s, guests)
		if _, there := guests[s]; whole && !there && s.Kind != guestset.Node {
			continue
		}
		for _, p := range e.places {
			if asked && !p.copy && !rule.Skip && slices.Contains(rule.Sites, p.name) && !has[folder{place: p, subject: s}.title()] {
				verdict := "NO BACKUP in this site"
				if slices.Contains(e.unread, p.name) { // a disk that is away has lost nothing
					verdict = "NOT KNOWN: this site cannot be read"
				}
				lines = append(lines, standing{Format: 1, Site: p.name, Folder: s.String(), Name: guests[s].Name, Seconds: -1, Verdict: verdict})
			}
		}
	}
	slices.SortFunc(lines, func(a, b standing) int {
		sa, _ := guestset.Parse(a.Folder)
		sb, _ := guestset.Parse(b.Folder)
		return cmp.Or(order(sa, sb), cmp.Compare(a.Site, b.Site))
	})
	return lines, nil
}

// rule is what the policy says of s. The tags and the pool of a guest are those
// of the newest discovery.
func (e *estate) rule(s guestset.Subject, guests map[guestset.Subject]pve.Guest) guestpolicy.Rule {
	if s.Kind == guestset.Node {
		return e.layer.Guests.Node()
	}
	g := guests[s]
	return e.layer.Guests.For(s.ID, g.Tags, g.Pool)
}

func (e *estate) standing(f folder, known proofs, rule guestpolicy.Rule) (standing, error) {
	line := standing{Format: 1, Site: f.place.name, Folder: f.subject.String(), Seconds: -1, Verdict: fine}
	for _, s := range f.backups() {
		if s.Complete() {
			line.Sets++
		}
	}
	if !f.place.copy {
		drilled, err := e.lastDrill(f.subject)
		if err != nil {
			return line, err
		}
		line.Drilled, line.DrillProof = drilled.Time, drilled.Proof
	}
	newest, ok := catalog.NewestComplete(f.backups())
	if ok {
		shown := f.listed(newest, e.Now())
		line.Name, line.Time, line.Seconds, line.Size = shown.Name, newest.Time, shown.Seconds, shown.Size
		proof := known.of(f, newest)
		line.Read, line.Opened = proof.Read, proof.Opened
	}
	age := e.Now().Sub(line.Time)
	switch {
	case len(f.problems) > 0:
		line.Verdict = fmt.Sprintf("%d manifests are NOT TRUSTED", len(f.problems))
	case !ok:
		line.Verdict = "NO complete set"
	case age < -time.Hour:
		// Else it would pass for fresh until its time has come.
		line.Verdict = "FROM THE FUTURE: this clock or the one that made it is wrong"
	case f.place.copy || rule.Skip:
		// Nobody promises that a copy is fresh, or what is not backed up any more.
	case age > rule.MaxAge:
		line.late, line.Verdict = true, fmt.Sprintf("TOO OLD: %s is allowed", rule.MaxAge)
	default:
		last, err := guestbackup.LastAttempt(e.memory, f.subject)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return line, err
		}
		if err == nil && !last.OK {
			line.Verdict = "THE LAST ATTEMPT FAILED: " + last.Why
		}
	}
	return line, nil
}
