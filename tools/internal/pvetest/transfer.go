package pvetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/railiance/railiance/tools/internal/vma/vmatest"
)

// fleeces says whether copies of what the guest overwrites go aside, so that it
// does not wait for our reader.
func (j *job) fleeces() bool {
	return j.has("fleecing") && properties(j.values["fleecing"], "enabled")["enabled"] == "1" && j.state.runs
}

// fleece makes the images that catch what the guest overwrites.
func (j *job) fleece(disks []vmatest.Disk) ([]string, error) {
	if !j.fleeces() {
		return nil, nil
	}
	name := properties(j.values["fleecing"], "enabled")["storage"]
	s, err := j.storage(name)
	if err != nil {
		return nil, err
	}
	if !s.holds("images") {
		return nil, fmt.Errorf("storage '%s' does not support vm images", name)
	}
	var volumes []string
	for i, disk := range disks {
		rest := fmt.Sprintf("vm-%d-fleece-%d", j.id, i)
		if s.kind != "lvmthin" {
			rest = fmt.Sprintf("%d/%s.qcow2", j.id, rest)
		}
		volume := name + ":" + rest
		path, err := j.path(volume)
		if err != nil {
			return nil, err
		}
		// What a killed job has left goes.
		if err := errors.Join(j.free(volume), j.freshDisk(path, disk.Size)); err != nil {
			return nil, err
		}
		j.clean = append(j.clean, func() error { return j.free(volume) })
		j.say("Formatting '%s', fmt=qcow2 cluster_size=65536 extended_l2=off preallocation=metadata compression_type=zlib size=%d lazy_refcounts=off refcount_bits=16", path, disk.Size)
		volumes = append(volumes, volume)
	}
	for i, disk := range disks {
		j.info("%s: attaching fleecing image %s to QEMU", disk.Name, volumes[i])
	}
	return volumes, nil
}

func (j *job) freeze() {
	if !j.state.runs || j.state.Paused {
		return
	}
	if properties(j.state.keys["agent"], "enabled")["enabled"] != "1" {
		j.info("skipping guest filesystem freeze - disabled in VM options")
		return
	}
	j.info("issuing guest-agent 'fs-freeze' command")
	j.info("issuing guest-agent 'fs-thaw' command")
}

const mib = 1 << 20

// transfer sends the archive and tells how it went.
func (j *job) transfer(a vmatest.Archive, resume bool) error {
	var total, clusters int64
	for _, disk := range a.Disks {
		total += disk.Size
		clusters += (disk.Size + clusterSize - 1) / clusterSize
	}
	s, err := j.stream()
	if err != nil {
		return err
	}
	began := time.Now()
	seconds := func() float64 { return max(1, time.Since(began).Seconds()) }
	progress := func() {
		read := min(total, int64(max(0, s.pieces-1))*vmatest.Slots*clusterSize)
		sec := seconds()
		j.info("%3d%% (%.1f MiB of %.1f MiB) in %.0fs, read: %.1f MiB/s, write: %.1f MiB/s",
			100*read/max(1, total), float64(read)/mib, float64(total)/mib, sec, float64(read)/mib/sec, float64(s.data)/mib/sec)
	}
	err = a.Write(s)
	if err == nil {
		err = s.w.Close()
		s.refused = err
	}
	switch {
	case errors.Is(err, errClosed):
	case err != nil:
		why := "vma_queue_write: write error - Broken pipe"
		if s.refused == nil {
			why = "job failed with err -5 - Input/output error"
		}
		progress()
		j.say("ERROR: %s", why)
		j.info("aborting backup job")
		if resume {
			j.info("resuming VM again")
		}
		return errors.New(why)
	}
	sec := seconds()
	zero := clusters*clusterSize - s.data
	j.info("%3d%% (%.1f MiB of %.1f MiB) in %.0fs, read: %.1f MiB/s, write: %.1f MiB/s",
		100, float64(total)/mib, float64(total)/mib, sec, float64(total)/mib/sec, float64(total-zero)/mib/sec)
	if zero > 0 {
		j.info("backup is sparse: %.2f MiB (%d%%) total zero data", float64(zero)/mib, 100*zero/total)
	}
	j.info("transferred %.2f MiB in %.0f seconds (%.1f MiB/s)", float64(total)/mib, sec, float64(total)/mib/sec)
	return nil
}
