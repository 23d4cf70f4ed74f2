package pvetest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

var mapLine = regexp.MustCompile(`^qmdump#map:([^:]+):([^:]+):([^:]*):([^:]*):$`)

// place makes a volume for each device, and the guest's configuration.
func (r *vmRestore) place(a *vmaHead) error {
	i := slices.IndexFunc(a.configs, func(f vmaConfig) bool { return f.name == "qemu-server.conf" })
	if i < 0 {
		return errors.New("unable to read config 'qemu-server.conf'")
	}
	conf := parseConfig(a.configs[i].data)
	keyOf, storageOf := map[string]string{}, map[string]string{}
	conf.comments = slices.DeleteFunc(conf.comments, func(line string) bool {
		m := mapLine.FindStringSubmatch(line)
		if m != nil {
			keyOf[m[2]], storageOf[m[2]] = m[1], m[3]
		}
		return m != nil || strings.HasPrefix(line, "qmdump#")
	})
	for _, d := range a.devices {
		if keyOf[d.name] == "" {
			return fmt.Errorf("found no device mapping information for device '%s'", d.name)
		}
	}
	targets := map[string]storage{}
	for _, d := range a.devices {
		name := r.values["storage"]
		if name == "" {
			name = storageOf[d.name]
		}
		s, err := r.storage(name)
		if err != nil {
			return err
		}
		if !s.holds("images") {
			return fmt.Errorf("content type 'images' is not available on storage '%s'", name)
		}
		targets[d.name] = s
	}
	archived := map[string]bool{}
	for _, d := range a.devices {
		volume, err := r.allocate(targets[d.name], r.guest.id, d.size)
		if err != nil {
			return err
		}
		r.volumes = append(r.volumes, volume)
		fmt.Fprintf(r.out, "new volume ID is '%s'\n", volume)
		key := keyOf[d.name]
		archived[key] = true
		if _, rest, more := strings.Cut(conf.keys[key], ","); more {
			conf.keys[key] = volume + "," + rest
		} else {
			conf.keys[key] = volume + ",size=" + sizeText(d.size)
		}
	}
	for i, d := range a.devices {
		path, err := r.path(r.volumes[i])
		if err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		r.files = append(r.files, f)
		fmt.Fprintf(r.out, "map '%s' to '%s' (write zeros = 0)\n", d.name, path)
	}
	// A disk that the archive left out does not come back.
	for _, d := range conf.drives(driveKey) {
		if !archived[d.key] {
			delete(conf.keys, d.key)
		}
	}
	if r.on("unique") {
		renew(conf)
	}
	r.config = conf
	return nil
}

var hardware = regexp.MustCompile(`(?i)[0-9a-f]{2}(:[0-9a-f]{2}){5}`)

// renew gives a guest hardware addresses and an identity of its own.
func renew(conf config) {
	for key, value := range conf.keys {
		if netKey.MatchString(key) {
			var b [3]byte
			_, _ = rand.Read(b[:])
			conf.keys[key] = hardware.ReplaceAllString(value, fmt.Sprintf("BC:24:11:%02X:%02X:%02X", b[0], b[1], b[2]))
		}
	}
	id, _ := uuid()
	if value, ok := conf.keys["smbios1"]; ok {
		conf.keys["smbios1"] = regexp.MustCompile(`uuid=[0-9a-fA-F-]+`).ReplaceAllString(value, "uuid="+id)
	}
	if _, ok := conf.keys["vmgenid"]; ok {
		conf.keys["vmgenid"] = id
	}
}

// undo removes the volumes, as the real one does.
func (r *vmRestore) undo() error {
	for _, volume := range slices.Backward(r.volumes) {
		if err := r.free(volume); err != nil {
			return err
		}
		fmt.Fprintf(r.out, "temporary volume '%s' successfully removed\n", volume)
	}
	if len(r.volumes) > 0 {
		fmt.Fprintln(r.out, "no lock found trying to remove 'create'  lock")
	}
	return nil
}
