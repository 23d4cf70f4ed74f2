package pvetest

// full is what `--full 1` and status/current add.
func (s state) full() map[string]any {
	m := s.entry()
	if s.kind == typeCT {
		return m
	}
	m["qmpstatus"] = s.qmpStatus()
	if !s.runs {
		return m
	}
	blocks := map[string]any{}
	for _, d := range s.drives(driveKey) {
		blocks[d.key] = blockstat(d.key)
	}
	m["diskread"], m["diskwrite"] = 512, 0
	m["balloon"] = s.memory()
	m["ballooninfo"] = map[string]any{"actual": s.memory(), "max_mem": s.memory()}
	m["blockstat"] = blocks
	m["proxmox-support"] = map[string]any{
		"backup-access-api": true, "backup-fleecing": true, "backup-max-workers": true, "pbs-dirty-bitmap": true,
		"pbs-dirty-bitmap-migration": true, "pbs-dirty-bitmap-savevm": true, "pbs-library-version": "stub (no PBS)",
		"pbs-masterkey": true, "query-bitmap-info": true,
	}
	m["running-machine"], m["running-qemu"] = "pc-i440fx-10.0+pve0", "10.0.13"
	return m
}

// blockstat are QEMU's statistics of a disk. Only the one that the guest booted
// from was read.
func blockstat(key string) map[string]any {
	m := map[string]any{"account_failed": true, "account_invalid": true, "timed_stats": []any{}}
	for _, op := range []string{"flush", "rd", "unmap", "wr", "zone_append"} {
		m["failed_"+op+"_operations"], m["invalid_"+op+"_operations"] = 0, 0
		m[op+"_operations"], m[op+"_total_time_ns"] = 0, 0
		if op != "flush" {
			m[op+"_bytes"], m[op+"_merged"] = 0, 0
		}
	}
	m["wr_highest_offset"] = 0
	if key == "scsi0" {
		m["rd_bytes"], m["rd_operations"], m["rd_total_time_ns"], m["idle_time_ns"] = 512, 1, 1000, 1000
	}
	return m
}
