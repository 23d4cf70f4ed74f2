package pvetest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
)

// addDisk makes a volume with its content and returns the line of the
// configuration. next counts the volumes of the guest.
func (c *call) addDisk(id int, next map[string]int, d Disk) (string, error) {
	n := next["disk"]
	next["disk"]++
	s, err := c.storage(d.Storage)
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("vm-%d-disk-%d", id, n)
	if s.kind != "lvmthin" {
		name = fmt.Sprintf("%d/%s.raw", id, name)
	}
	volume := d.Storage + ":" + name
	line := volume
	if d.NoBackup {
		line += ",backup=0"
	}
	line += ",size=" + sizeText(d.Size)
	if d.Missing {
		return line, nil
	}
	path, err := c.path(volume)
	if err != nil {
		return "", err
	}
	if err := c.freshDisk(path, d.Size); err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return line, d.fill(f, id)
}

// fill writes the disk's content.
func (d Disk) fill(w io.WriterAt, id int) error {
	var seed [32]byte
	copy(seed[:], fmt.Sprintf("%d %s", id, d.Key))
	random := rand.NewChaCha8(seed)
	if _, err := w.WriteAt([]byte(d.Begin), 0); err != nil {
		return err
	}
	at := (int64(len(d.Begin)) + 4095) &^ 4095
	text := strings.Repeat(fmt.Sprintf("guest %d, disk %s: some text that a backup must carry.\n", id, d.Key), 2000)
	part := make([]byte, clusterSize)
	for kind, left := range map[bool]int64{true: d.Random, false: d.Text} {
		from := at
		if !kind {
			from += d.Random
		}
		for n := int64(0); n < left; n += int64(len(part)) {
			p := part[:min(int64(len(part)), left-n)]
			if kind {
				_, _ = random.Read(p) // it does not fail
			} else {
				copy(p, text[n%97:])
			}
			if _, err := w.WriteAt(p, from+n); err != nil {
				return err
			}
		}
	}
	return nil
}
