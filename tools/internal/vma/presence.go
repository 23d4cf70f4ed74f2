package vma

import "math/bits"

const (
	pageWords    = 512
	pageClusters = pageWords * 64 // 2 GiB of disk
)

// presence tells which clusters of a device were there. A page is made when
// its first cluster comes, so that a forged size costs next to nothing.
type presence struct {
	pages []*[pageWords]uint64
	total uint64
	count uint64
}

func newPresence(clusters uint64) presence {
	return presence{pages: make([]*[pageWords]uint64, (clusters+pageClusters-1)/pageClusters), total: clusters}
}

// mark notes cluster n, below total, and returns false when it was there.
func (p *presence) mark(n uint32) bool {
	page := &p.pages[n/pageClusters]
	if *page == nil {
		*page = new([pageWords]uint64)
	}
	word, bit := &(*page)[n%pageClusters/64], uint64(1)<<(n%64)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	p.count++
	return true
}

// missing returns the first cluster that was not there, and how many were not.
func (p *presence) missing() (first, count uint64) {
	count = p.total - p.count
	if count == 0 {
		return 0, 0
	}
	for i, page := range p.pages {
		if page == nil {
			return uint64(i) * pageClusters, count
		}
		for j, word := range page {
			if word != ^uint64(0) {
				return uint64(i)*pageClusters + uint64(j)*64 + uint64(bits.TrailingZeros64(^word)), count
			}
		}
	}
	return p.total, count // not reached: a bit below total is clear
}
