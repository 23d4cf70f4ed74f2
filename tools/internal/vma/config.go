package vma

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	guestConfig = "qemu-server.conf"
	mapPrefix   = "#qmdump#map:"
	ramState    = "vmstate" // the device name that is kept for memory, no disk
)

// checkConfigs refuses what qmrestore would refuse on the bad day: no
// configuration, and one that does not tell which drive each device is.
func checkConfigs(configs []Config, devices []Device) error {
	for _, config := range configs {
		if config.Name != guestConfig {
			continue
		}
		if len(config.Data) == 0 {
			return errors.New(guestConfig + " is empty: vzdump reports success with such an archive when its dump directory is full;" +
				" make room there and back up again")
		}
		return checkMap(string(config.Data), devices)
	}
	return errors.New(guestConfig + " is missing: nothing can restore a guest without it")
}

// checkMap compares the comments that vzdump adds for the restore, one for
// each drive, with the devices.
//
//	#qmdump#map:scsi0:drive-scsi0:local-lvm:raw:
func checkMap(config string, devices []Device) error {
	drives, err := readMap(config)
	if err != nil {
		return err
	}
	for _, device := range devices {
		if _, ok := drives[device.Name]; !ok && device.Name != ramState {
			return fmt.Errorf("device %s: %s does not say which drive of the guest it is", device.Name, guestConfig)
		}
		delete(drives, device.Name)
	}
	if left := slices.Sorted(maps.Keys(drives)); len(left) > 0 {
		return fmt.Errorf("device %.80q: %s has drive %.40q on it, and the archive does not hold it",
			left[0], guestConfig, drives[left[0]])
	}
	return nil
}

// readMap is the guest's drive by the name of its device.
func readMap(config string) (map[string]string, error) {
	drives := map[string]string{}
	for line := range strings.Lines(config) {
		entry, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), mapPrefix)
		if !ok {
			continue
		}
		fields := strings.Split(entry, ":")
		if len(fields) != 5 || fields[0] == "" || fields[1] == "" || fields[4] != "" {
			return nil, fmt.Errorf("%s: %.80q does not map a drive", guestConfig, entry)
		}
		drives[fields[1]] = fields[0]
	}
	return drives, nil
}

// Drives tells by the name of a device, drive-scsi0, which drive of the guest
// it is: scsi0. The memory of a guest is none.
func (a Archive) Drives() map[string]string {
	for _, config := range a.Configs {
		if config.Name == guestConfig {
			drives, err := readMap(string(config.Data))
			if err == nil {
				return drives
			}
		}
	}
	return nil
}
