package pvetest

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// extraction counts what it reads.
type extraction struct {
	*vmaHead
	files          []*os.File
	out            io.Writer
	seen           map[uint64]bool
	clusters, told int64
	total          int64 // clusters that progress is measured by
	sparse, partly int64 // bytes that are zero, and those in clusters that are not
}

// extract writes the devices' content. It is content once every cluster was
// there; data has no checksum.
func (a *vmaHead) extract(in io.Reader, files []*os.File, out io.Writer, stopped <-chan os.Signal) error {
	e := &extraction{vmaHead: a, files: files, out: out, seen: map[uint64]bool{}}
	var bytes, wanted int64
	for _, d := range a.devices {
		bytes += d.size
		wanted += (d.size + clusterSize - 1) / clusterSize
	}
	e.total = max(1, bytes/clusterSize)
	for {
		select {
		case <-stopped:
			return errors.New("interrupted by signal")
		default:
		}
		err := e.extent(in)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if int64(len(e.seen)) != wanted {
		return bad("incomplete archive: %d of %d clusters", len(e.seen), wanted)
	}
	read := e.clusters * clusterSize
	fmt.Fprintf(out, "total bytes read %d, sparse bytes %d (%.3g%%)\n", read, e.sparse, 100*float64(e.sparse)/float64(read))
	if rest := read - e.sparse; rest > 0 {
		fmt.Fprintf(out, "space reduction due to 4K zero blocks %.3g%%\n", 100*float64(e.partly)/float64(rest))
	}
	return nil
}

func (e *extraction) extent(in io.Reader) error {
	head := make([]byte, extentHead)
	if n, err := io.ReadFull(in, head); err == io.EOF {
		return io.EOF
	} else if err == io.ErrUnexpectedEOF {
		return bad("short vma extent (%d < %d)", n, extentHead)
	} else if err != nil {
		return err
	}
	big := binary.BigEndian
	blocks := int(big.Uint16(head[6:]))
	sum := bytes.Clone(head[24:40])
	clear(head[24:40])
	if got := md5.Sum(head); string(head[:4]) != "VMAE" || !bytes.Equal(head[8:24], e.uuid) || !bytes.Equal(got[:], sum) || blocks > 59*16 {
		return bad("wrong vma extent header")
	}
	data := make([]byte, blocks*4096)
	if n, err := io.ReadFull(in, data); err == io.ErrUnexpectedEOF || err == io.EOF {
		return bad("short vma extent (%d < %d)", extentHead+n, extentHead+len(data))
	} else if err != nil {
		return err
	}
	for i := range 59 {
		if slot := big.Uint64(head[40+8*i:]); slot>>32&0xff != 0 {
			var err error
			if data, err = e.cluster(slot, data); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *extraction) cluster(slot uint64, data []byte) ([]byte, error) {
	mask, id, number := uint16(slot>>48), int(slot>>32&0xff), int64(uint32(slot))
	if e.seen[slot&(1<<40-1)] {
		return nil, bad("detected duplicated cluster %d for stream", number)
	}
	e.seen[slot&(1<<40-1)] = true
	for i, d := range e.devices {
		if d.id != id {
			continue
		}
		for b := range int64(16) {
			at := number*clusterSize + b*4096
			inside := min(4096, d.size-at)
			if mask>>b&1 == 0 {
				if inside > 0 {
					e.sparse += 4096
					if mask != 0 {
						e.partly += 4096
					}
				}
				continue
			}
			if len(data) < 4096 {
				return nil, bad("wrong vma block count")
			}
			if inside > 0 {
				if _, err := e.files[i].WriteAt(data[:inside], at); err != nil {
					return nil, err
				}
			}
			data = data[4096:]
		}
		e.clusters++
		if percent := e.clusters * 100 / e.total; percent != e.told && percent <= 100 {
			e.told = percent
			fmt.Fprintf(e.out, "progress %d%% (read %d bytes, duration 0 sec)\n", percent, e.clusters*clusterSize)
		}
		return data, nil
	}
	return nil, bad("got wrong dev id %d", id)
}
