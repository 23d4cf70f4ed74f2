package guestpolicy

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Values that check themselves while they are decoded know their line.

// Mode is one of vzdump's.
type Mode string

// UnmarshalYAML refuses a mode that vzdump does not know.
func (m *Mode) UnmarshalYAML(n *yaml.Node) error {
	modes := []string{Snapshot, Suspend, Stop}
	if !slices.Contains(modes, n.Value) {
		return fmt.Errorf("line %d: mode: %q is none of %s", n.Line, n.Value, strings.Join(modes, ", "))
	}
	*m = Mode(n.Value)
	return nil
}

// Duration is written in Go's notation: 30m, 26h.
type Duration struct{ time.Duration }

// UnmarshalYAML refuses what is no duration above 0.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil || v <= 0 {
		return fmt.Errorf("line %d: %q is not a duration such as 30m or 26h", n.Line, n.Value)
	}
	d.Duration = v
	return nil
}

// Size is a number of bytes, written with a unit: 512KiB, 20MiB, 4GiB, 0.
type Size int64

// UnmarshalYAML refuses what is no size.
func (s *Size) UnmarshalYAML(n *yaml.Node) error {
	wrong := fmt.Errorf("line %d: %q is not a size such as 512KiB, 20MiB or 4GiB", n.Line, n.Value)
	text, shift := n.Value, 0
	for i, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if rest, ok := strings.CutSuffix(text, unit); ok {
			text, shift = strings.TrimSpace(rest), 10*(i+1)
		}
	}
	v, err := strconv.ParseInt(text, 10, 64)
	// A bare number could be meant as anything; 0 is 0 in every unit.
	if err != nil || v < 0 || v > math.MaxInt64>>shift || shift == 0 && v != 0 {
		return wrong
	}
	*s = Size(v << shift)
	return nil
}

// Window is a part of each day, in local time. The zero Window is all of it.
type Window struct {
	from, to int // minutes of the day
	set      bool
}

// UnmarshalYAML reads 22:00-06:00, or always.
func (w *Window) UnmarshalYAML(n *yaml.Node) error {
	if n.Value == "always" {
		*w = Window{}
		return nil
	}
	from, to, ok := strings.Cut(n.Value, "-")
	a, errA := time.Parse("15:04", from)
	b, errB := time.Parse("15:04", to)
	if !ok || errA != nil || errB != nil || a.Equal(b) {
		return fmt.Errorf("line %d: window: %q is not a time of day such as 22:00-06:00", n.Line, n.Value)
	}
	*w = Window{a.Hour()*60 + a.Minute(), b.Hour()*60 + b.Minute(), true}
	return nil
}

// Holds says whether t, in its own location, lies in the window. One that ends
// before it begins ends on the next day.
func (w Window) Holds(t time.Time) bool {
	now := t.Hour()*60 + t.Minute()
	switch {
	case !w.set:
		return true
	case w.from < w.to:
		return w.from <= now && now < w.to
	}
	return now >= w.from || now < w.to
}

// String is the window as it is written.
func (w Window) String() string {
	if !w.set {
		return "always"
	}
	return fmt.Sprintf("%02d:%02d-%02d:%02d", w.from/60, w.from%60, w.to/60, w.to%60)
}
