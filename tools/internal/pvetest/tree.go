package pvetest

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// printTree prints what `status --verbose` shows: a line a key, what lies in a
// key indented by a tab.
func printTree(w io.Writer, m map[string]any, depth int) error {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		indent := strings.Repeat("\t", depth)
		var err error
		switch value := m[key].(type) {
		case map[string]any:
			if _, err = fmt.Fprintf(w, "%s%s:\n", indent, key); err == nil {
				err = printTree(w, value, depth+1)
			}
		case []any:
			_, err = fmt.Fprintf(w, "%s%s:\n", indent, key)
		case bool:
			_, err = fmt.Fprintf(w, "%s%s: %d\n", indent, key, flag(value))
		default:
			if key == "cpu" {
				continue // the real one leaves it out
			}
			_, err = fmt.Fprintf(w, "%s%s: %v\n", indent, key, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
