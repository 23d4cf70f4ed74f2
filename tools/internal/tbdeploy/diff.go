package tbdeploy

import (
	"fmt"
	"io"
	"strings"

	"github.com/railiance/railiance/tools/internal/host"
)

// Change is a file that is to be different from what the node has.
type Change struct {
	Path string `json:"path"`
	What string `json:"what"` // new, changed or removed
	Diff string `json:"diff"` // lines with a space, + or - before them
}

const diffLinesMax = 2000

// same tells whether the node has the file as it should be.
func same(f File, has Has) bool {
	switch {
	case f.Gone:
		return !has.There && !has.Odd && has.Link == ""
	case f.Link != "" || has.Link != "":
		return f.Link == has.Link
	}
	return has.There && has.Text == f.Text
}

// change compares a file as it should be with what the node has.
func change(f File, has Has) (Change, bool) {
	if same(f, has) {
		return Change{}, false
	}
	c := Change{Path: f.Path, What: "changed"}
	switch {
	case f.Gone:
		c.What = "removed"
	case !has.There && !has.Odd && has.Link == "":
		c.What = "new"
	}
	if has.Link != "" {
		c.Diff += "-" + host.Printable("(symbolic link to "+has.Link+")") + "\n"
	}
	if f.Link != "" {
		c.Diff += "+" + host.Printable("(symbolic link to "+f.Link+")") + "\n"
	}
	if has.Odd {
		c.Diff += "is no file on the node\n"
		return c, true
	}
	if has.Text != f.Text {
		c.Diff += diff(has.Text, f.Text)
	}
	return c, true
}

// diff shows what differs, with three lines around.
func diff(old, new string) string {
	a, b := lines(old), lines(new)
	if len(a) > diffLinesMax || len(b) > diffLinesMax {
		return fmt.Sprintf("too long to be compared: %d lines become %d\n", len(a), len(b))
	}
	// common[i][j] is how much of a[i:] and b[j:] can stay.
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var all []string
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			all = append(all, " "+a[i])
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || common[i+1][j] >= common[i][j+1]):
			all = append(all, "-"+a[i])
			i++
		default:
			all = append(all, "+"+b[j])
			j++
		}
	}
	return near(all)
}

// near leaves out what is far from every difference.
func near(all []string) string {
	const around = 3
	keep := make([]bool, len(all))
	for i, l := range all {
		if l[0] == ' ' {
			continue
		}
		for k := max(0, i-around); k <= min(len(all)-1, i+around); k++ {
			keep[k] = true
		}
	}
	var b strings.Builder
	for i, l := range all {
		if keep[i] {
			b.WriteString(host.Printable(l) + "\n")
		} else if i == 0 || keep[i-1] {
			b.WriteString(" …\n")
		}
	}
	return b.String()
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// Write writes changes for a person.
func Write(w io.Writer, changes []Change) {
	for _, c := range changes {
		fmt.Fprintf(w, "%s: %s\n", c.Path, c.What)
		for line := range strings.Lines(c.Diff) {
			fmt.Fprintf(w, "    %s", line)
		}
	}
}
