package vma

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strings"

	"github.com/zeebo/xxh3"
)

// A Digest identifies the content of a disk. It does not depend on the order
// in which clusters arrive, nor on zeros behind the end of the disk, so that a
// volume which a restore rounded up still has it. Digests compare with ==; the
// zero Digest is that of a disk full of zeros.
//
// It is the sum, modulo 2^128, over the clusters that are not all zero, of
//
//	XXH3-128(the 64 KiB of the cluster, the last padded with zeros; seed: its number)
//
// in 32 hexadecimal digits. XXH3 and a sum because clusters come in any order
// and 32 bytes for each would be half a gigabyte for a disk of 1 TiB; because
// compressing and encrypting leave only a few hundredths of their time for this, of
// which SHA-256 alone would take all; and because a digest guards against
// accidents alone: it is kept inside of the encrypted and signed artifact,
// where nobody can fit data to it. It is no proof against somebody who may choose the
// content of a disk: do not deduplicate by it.
type Digest struct{ hi, lo uint64 }

const digestScheme = "xxh3-64k:"

// add counts the cluster of that number in. data is the whole cluster, padded
// with zeros, and not all zero.
func (d *Digest) add(number uint32, data []byte) {
	sum := xxh3.Hash128Seed(data, uint64(number))
	var carry uint64
	d.lo, carry = bits.Add64(d.lo, sum.Lo, 0)
	d.hi, _ = bits.Add64(d.hi, sum.Hi, carry)
}

// String names the scheme and 32 hexadecimal digits.
func (d Digest) String() string {
	return fmt.Sprintf("%s%016x%016x", digestScheme, d.hi, d.lo)
}

// MarshalText makes a Digest a string in JSON.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what String wrote.
func (d *Digest) UnmarshalText(text []byte) error {
	digits, ok := strings.CutPrefix(string(text), digestScheme)
	if !ok {
		return errors.New("not a disk digest that is known here: a newer version may have made it")
	}
	sum, err := hex.DecodeString(digits)
	if err != nil || len(sum) != 16 {
		return errors.New("a disk digest has 32 hexadecimal digits")
	}
	d.hi, d.lo = big64(sum), big64(sum[8:])
	return nil
}

// Sum reads a disk to its end and returns its digest and its size in bytes.
func Sum(disk io.Reader) (Digest, int64, error) {
	var (
		digest  Digest
		size    int64
		cluster = make([]byte, clusterSize)
		zeros   = make([]byte, clusterSize)
	)
	for number := int64(0); ; number++ {
		n, err := io.ReadFull(disk, cluster)
		size += int64(n)
		clear(cluster[n:])
		if !bytes.Equal(cluster, zeros) {
			if number > maxCluster {
				return Digest{}, size, errors.New("the disk is larger than an archive can hold")
			}
			digest.add(uint32(number), cluster)
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return digest, size, nil
		}
		if err != nil {
			return Digest{}, size, fmt.Errorf("disk offset %d: %w", size, err)
		}
	}
}
