package registry

import (
	"errors"
	"fmt"
	"hash/maphash"
	"math/bits"
)

// Visit is called with every record of a datastore, newest first: its key, the
// first bytes of its value (HeadSize of them, where there are so many), and
// whether the record deletes the key. The slices are the caller's again when
// Visit returns.
type Visit func(key, head []byte, deleted bool) error

// The table of the keys already seen takes 8 bytes a slot, 16 MiB at most.
const (
	minSlots  = 1 << 10
	maxSlots  = 1 << 21
	maxRounds = 1 << 10
)

var errFull = errors.New("table is full")

// Count counts the live keys of a datastore of about size bytes. It may call
// walk more than once: memory stays within 16 MiB whatever the number of keys,
// because keys that do not fit in one round are left to the next, and every
// walk has to show the same records.
//
// Keys are remembered by a 64-bit hash with a random seed. Two million keys
// have one chance in ten million that a key hides behind another.
func Count(size int64, walk func(Visit) error) (Tally, error) {
	// A record of a Kubernetes object is seldom below 512 bytes.
	slots := minSlots
	for int64(slots) < size/512 && slots < maxSlots {
		slots *= 2
	}
	for rounds := uint64(1); rounds <= maxRounds; {
		tally, err := count(slots, rounds, walk)
		switch {
		case !errors.Is(err, errFull):
			return tally, err
		case slots < maxSlots:
			slots *= 2
		default:
			rounds *= 2
		}
	}
	return Tally{}, fmt.Errorf("more than %d keys", uint64(maxRounds)*maxSlots/4*3)
}

func count(slots int, rounds uint64, walk func(Visit) error) (Tally, error) {
	tally := Tally{Groups: map[string]int{}}
	seed := maphash.MakeSeed()
	seen := set{slots: make([]uint64, slots), shift: 64 - bits.TrailingZeros(uint(slots))}
	for round := range rounds {
		clear(seen.slots)
		seen.used = 0
		err := walk(func(key, head []byte, deleted bool) error {
			h := maphash.Bytes(seed, key)
			// The low bits choose the round, the high bits the slot.
			if h%rounds != round {
				return nil
			}
			fresh, err := seen.add(h)
			if err != nil || !fresh || deleted {
				return err
			}
			tally.add(key, head)
			return nil
		})
		if err != nil {
			return Tally{}, err
		}
	}
	return tally, nil
}

// set is an open-addressed set of hashes; a Go map would take four times the
// room and twice that while it grows.
type set struct {
	slots []uint64
	shift int
	used  int
}

func (s *set) add(h uint64) (fresh bool, err error) {
	if h == 0 { // means free
		h = 1
	}
	for i := h >> s.shift; ; i = (i + 1) % uint64(len(s.slots)) {
		switch s.slots[i] {
		case h:
			return false, nil
		case 0:
			if s.used >= len(s.slots)/4*3 {
				return false, errFull
			}
			s.slots[i] = h
			s.used++
			return true, nil
		}
	}
}
