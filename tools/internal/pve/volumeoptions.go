package pve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/railiance/railiance/tools/internal/host"
)

// VolumeOptions are options of the volumes of a container: by key, as rootfs or
// mp0, and by name, as quota.
type VolumeOptions map[string]map[string]string

// SetVolumeOptions gives the volumes of a container that does not run the
// options, beside those that they have, and sees that they have them then. What
// can be set is set, whatever the error says of the rest.
func (c *Cluster) SetVolumeOptions(ctx context.Context, m Made, options VolumeOptions) error {
	g := m.guest()
	s, err := c.settings(ctx, g)
	if err != nil || len(options) == 0 {
		return err
	}
	if s["protection"] == "1" { // it would keep its volumes as they are
		if err := c.set(ctx, g, "--protection", "0"); err != nil {
			return err
		}
		defer func() { _ = c.set(context.WithoutCancel(ctx), g, "--protection", "1") }()
	}
	var all []error
	for _, key := range slices.SortedFunc(maps.Keys(options), byKey) {
		value, err := s.withOptions(key, options[key])
		if err == nil {
			err = c.set(ctx, g, "--"+key, value)
		}
		if err != nil {
			all = append(all, fmt.Errorf("%s: %w", host.Printable(key), err))
		}
	}
	if len(all) > 0 {
		return errors.Join(all...)
	}
	if s, err = c.settings(ctx, g); err != nil {
		return err
	}
	for _, key := range slices.SortedFunc(maps.Keys(options), byKey) {
		_, has := dissect(string(s[key]), "volume")
		for _, name := range slices.Sorted(maps.Keys(options[key])) {
			if want := options[key][name]; onOff(has[name]) != onOff(want) {
				all = append(all, fmt.Errorf("%s: %s=%s was set, and is %q", key, name, want, host.Printable(has[name])))
			}
		}
	}
	return errors.Join(all...)
}

// withOptions is the volume at key with those options besides.
func (s settings) withOptions(key string, options map[string]string) (string, error) {
	value := string(s[key])
	if value == "" || !regexp.MustCompile(`^(?:rootfs|mp[0-9]{1,3})$`).MatchString(key) {
		return "", errors.New("there is no such volume")
	}
	parts := slices.DeleteFunc(strings.Split(value, ","), func(part string) bool {
		name, _, _ := strings.Cut(part, "=")
		_, replaced := options[name]
		return replaced
	})
	for _, name := range slices.Sorted(maps.Keys(options)) {
		v := onOff(options[name])
		if !regexp.MustCompile(`^[a-z]{1,20}$`).MatchString(name) || v == "" || v != host.Printable(v) || strings.Contains(v, ",") {
			return "", fmt.Errorf("%s=%s cannot be set", host.Printable(name), host.Printable(v))
		}
		parts = append(parts, name+"="+v)
	}
	return strings.Join(parts, ","), nil
}

// onOff is how Proxmox writes a value that may be a truth.
func onOff(v string) string {
	switch v {
	case "yes", "on", "true":
		return "1"
	case "no", "off", "false":
		return "0"
	}
	return v
}
