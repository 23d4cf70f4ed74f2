package vma

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// ExtractTo extracts an archive into files of dir: disk-<device>.raw, sparse,
// as Proxmox's own tool names them, and each config by its name. It writes over
// nothing. After an error what it made stays there, for the caller to remove.
func ExtractTo(r io.Reader, dir *os.Root) (archive Archive, err error) {
	var files []*os.File
	create := func(name string) (*os.File, error) {
		f, err := dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, fmt.Errorf("extracting: %w", err)
		}
		files = append(files, f)
		return f, nil
	}
	defer func() {
		for _, f := range files {
			err = errors.Join(err, f.Close())
		}
	}()
	return Extract(r, func(head Archive) (map[string]Target, error) {
		for _, config := range head.Configs {
			f, err := create(config.Name)
			if err != nil {
				return nil, err
			}
			if _, err := f.Write(config.Data); err != nil {
				return nil, fmt.Errorf("extracting: %w", err)
			}
		}
		targets := map[string]Target{}
		for _, device := range head.Devices {
			f, err := create("disk-" + device.Name + ".raw")
			if err != nil {
				return nil, err
			}
			targets[device.Name] = f
		}
		return targets, nil
	})
}
