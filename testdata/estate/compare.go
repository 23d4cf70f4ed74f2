package estate

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Differences are what an inventory does not have in common with an earlier
// one, one line each; none means equal. No value is quoted: it may be a secret.
func Differences(before, after Inventory) []string {
	return append(differences("object", before.Objects, after.Objects), differences("release", before.Releases, after.Releases)...)
}

func differences(what string, before, after map[string]string) []string {
	var lines []string
	for _, id := range slices.Sorted(maps.Keys(before)) {
		now, there := after[id]
		switch {
		case !there:
			lines = append(lines, fmt.Sprintf("%s %s is gone", what, id))
		case now != before[id]:
			lines = append(lines, fmt.Sprintf("%s %s is another one%s", what, id, where(before[id], now)))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(after)) {
		if _, there := before[id]; !there {
			lines = append(lines, fmt.Sprintf("%s %s was not there before", what, id))
		}
	}
	return lines
}

// where points at the first byte that differs.
func where(a, b string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf(", from byte %d of %d on", i, len(a))
		}
	}
	return fmt.Sprintf(", %d bytes where %d were", len(b), len(a))
}

// Table sets two inventories side by side: objects by kind, then releases.
func Table(w io.Writer, before, after Inventory) {
	fmt.Fprintf(w, "%-58s %7s %7s %7s\n", "", "before", "after", "equal")
	kinds := map[string][3]int{}
	for id, text := range before.Objects {
		n := kinds[kind(id)]
		n[0]++
		if after.Objects[id] == text {
			n[2]++
		}
		kinds[kind(id)] = n
	}
	for id := range after.Objects {
		n := kinds[kind(id)]
		n[1]++
		kinds[kind(id)] = n
	}
	var all [3]int
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		n := kinds[k]
		fmt.Fprintf(w, "%-58s %7d %7d %7d\n", k, n[0], n[1], n[2])
		for i := range all {
			all[i] += n[i]
		}
	}
	fmt.Fprintf(w, "%-58s %7d %7d %7d\n\n", "objects", all[0], all[1], all[2])
	for _, id := range slices.Sorted(maps.Keys(before.Releases)) {
		verdict := "equal"
		if now, there := after.Releases[id]; !there {
			verdict = "GONE"
		} else if now != before.Releases[id] {
			verdict = "DIFFERS"
		}
		fmt.Fprintf(w, "helm release %-45s %23s\n", id, verdict)
	}
}

// kind is the apiVersion and kind of an object's identity.
func kind(id string) string { return id[:strings.LastIndexByte(id, ' ')] }
