package main

import (
	"fmt"
	"io"
	"time"
)

// table prints results as they come, and counts what is not as expected.
type table struct {
	w      io.Writer
	missed int
}

// compare prints the results of one contest. The first is ours; the ratios are
// ours to each of the others.
func (t *table) compare(title string, results []result) {
	fmt.Fprintf(t.w, "\n%-44s %10s %10s %9s %9s %6s   %s\n", title, "wall", "CPU", "all", "largest", "rounds", "ours to it: wall   CPU   all")
	ours := results[0]
	for i, r := range results {
		fmt.Fprintf(t.w, "  %-42s %10s %10s %9s %9s %6d", r.name, seconds(r.wall), seconds(r.cpu), mib(r.tree.all), mib(r.largest), r.rounds)
		if i > 0 {
			fmt.Fprintf(t.w, "   %16.2f %5.2f %5.2f", ratio(ours.wall, r.wall), ratio(ours.cpu, r.cpu), ratio(ours.tree.all, r.tree.all))
		}
		fmt.Fprintln(t.w)
	}
}

// expect prints whether what the project promises holds here and now.
func (t *table) expect(holds bool, format string, a ...any) {
	verdict := "as expected"
	if !holds {
		verdict = "NOT AS EXPECTED"
		t.missed++
	}
	fmt.Fprintf(t.w, "  %s: %s\n", verdict, fmt.Sprintf(format, a...))
}

func (t *table) leftOut(what string) {
	fmt.Fprintf(t.w, "\n%s: left out, as BENCH_QUICK asks\n", what)
}

func ratio[N time.Duration | int64](a, b N) float64 { return float64(a) / float64(b) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

func mb(n int64) string { return fmt.Sprintf("%.4g MB", float64(n)/1e6) }
