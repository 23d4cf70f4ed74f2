package pvecli

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/plugin"
)

// share is how much of what is old a verification reads: a part of its bytes.
type share float64

// String, Set and Type make a share a flag.
func (s share) String() string { return strconv.FormatFloat(float64(s)*100, 'g', -1, 64) + "%" }

// Type is what the help calls it.
func (s share) Type() string { return "share" }

// Set reads 5% or 0.05.
func (s *share) Set(text string) error {
	digits, percent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(digits, 64)
	if percent {
		v /= 100
	}
	if err != nil || math.IsNaN(v) || v <= 0 || v > 1 {
		return &plugin.Usage{Err: fmt.Errorf("%q is not a share such as 5%% or 0.05", text)}
	}
	*s = share(v)
	return nil
}

// task is a set to be read.
type task struct {
	folder *folder
	set    catalog.Set
	newest bool
	last   time.Time // when it was read before; zero: never
}

func (t task) size() int64 {
	var n int64
	for _, a := range t.set.Artifacts {
		n += a.Size
	}
	return n
}

// sample divides the tasks into what is read and what is left for another time.
// The newest set of each folder is always read. Of the others it is whole sets,
// those that were not read for longest, until they make up the share of their
// bytes: so each has its turn, however few are read at a time.
func sample(all []task, part share) (read, left []task) {
	var old []task
	var bytes, taken int64
	for _, t := range all {
		if t.newest || part >= 1 {
			read = append(read, t)
			continue
		}
		old = append(old, t)
		bytes += t.size()
	}
	slices.SortStableFunc(old, func(a, b task) int {
		if d := a.last.Compare(b.last); d != 0 {
			return d
		}
		return a.set.Time.Compare(b.set.Time)
	})
	want := int64(math.Ceil(float64(bytes) * float64(part)))
	for _, t := range old {
		if taken >= want {
			left = append(left, t)
			continue
		}
		taken += t.size()
		read = append(read, t)
	}
	return read, left
}
