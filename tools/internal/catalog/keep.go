package catalog

import (
	"fmt"
	"slices"
	"time"
)

// Keep is a retention policy with the semantics of Proxmox's prune-backups.
// Zero is unset; all of it unset keeps everything.
type Keep struct {
	Last    int `yaml:"last" json:"last,omitempty"`
	Hourly  int `yaml:"hourly" json:"hourly,omitempty"`
	Daily   int `yaml:"daily" json:"daily,omitempty"`
	Weekly  int `yaml:"weekly" json:"weekly,omitempty"` // ISO weeks
	Monthly int `yaml:"monthly" json:"monthly,omitempty"`
	Yearly  int `yaml:"yearly" json:"yearly,omitempty"`
}

// Check refuses negative numbers.
func (k Keep) Check() error {
	for _, r := range k.rules() {
		if r.count < 0 {
			return fmt.Errorf("keep: %s: %d is below 0", r.name, r.count)
		}
	}
	return nil
}

type rule struct {
	name   string
	count  int
	period func(time.Time) string
}

func (k Keep) rules() []rule {
	nth := 0
	return []rule{
		{"last", k.Last, func(time.Time) string { nth++; return fmt.Sprint(nth) }},
		{"hourly", k.Hourly, func(t time.Time) string { return t.Format("2006-01-02 15h") }},
		{"daily", k.Daily, func(t time.Time) string { return t.Format("2006-01-02") }},
		{"weekly", k.Weekly, func(t time.Time) string { y, w := t.ISOWeek(); return fmt.Sprintf("%d-W%02d", y, w) }},
		{"monthly", k.Monthly, func(t time.Time) string { return t.Format("2006-01") }},
		{"yearly", k.Yearly, func(t time.Time) string { return t.Format("2006") }},
	}
}

// Reasons gives for each of times why the backup of that time stays; one
// without a reason may go. Periods are those of the times' own location.
//
// The rules run one after the other, each from the newest backup to the
// oldest. A rule passes over periods that hold a backup which an earlier rule
// kept, keeps the newest unmarked backup of every further period until it has
// kept its number, and marks the rest of such a period for removal at once.
func (k Keep) Reasons(times []time.Time) [][]string {
	reasons := make([][]string, len(times))
	if k == (Keep{}) {
		for i := range reasons {
			reasons[i] = []string{"no retention is set"}
		}
		return reasons
	}
	newest := make([]int, len(times))
	for i := range newest {
		newest[i] = i
	}
	slices.SortStableFunc(newest, func(a, b int) int { return times[b].Compare(times[a]) })

	going := make([]bool, len(times))
	for _, r := range k.rules() {
		if r.count == 0 {
			continue
		}
		covered := map[string]bool{} // by a backup that an earlier rule kept
		for _, i := range newest {
			if len(reasons[i]) > 0 && r.name != "last" {
				covered[r.period(times[i])] = true
			}
		}
		kept := map[string]bool{}
		for _, i := range newest {
			if len(reasons[i]) > 0 || going[i] {
				continue
			}
			p := r.period(times[i])
			switch {
			case covered[p]:
			case kept[p]:
				going[i] = true
			case len(kept) == r.count:
				// The rule is full, but the rest of a kept period may follow.
			default:
				kept[p] = true
				reasons[i] = []string{fmt.Sprintf("%s %d of %d", r.name, len(kept), r.count)}
			}
		}
	}
	return reasons
}
