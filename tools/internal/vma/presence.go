package vma

import "math/bits"

// presence tells which clusters of a device were there. Its memory is touched
// only where clusters come, so a forged size alone costs none.
type presence struct {
	words []uint64
	total uint64
	count uint64
}

func newPresence(clusters uint64) presence {
	return presence{words: make([]uint64, (clusters+63)/64), total: clusters}
}

// mark notes cluster n, below total, and returns false when it was there.
func (p *presence) mark(n uint32) bool {
	word, bit := &p.words[n/64], uint64(1)<<(n%64)
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
	for i, word := range p.words {
		if word != ^uint64(0) {
			return uint64(i)*64 + uint64(bits.TrailingZeros64(^word)), count
		}
	}
	return p.total, count // not reached: a bit below total is clear
}
