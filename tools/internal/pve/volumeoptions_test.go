package pve

import "testing"

// Options come from a backup: none becomes another one, or a volume of its own.
func TestWithOptions(t *testing.T) {
	s := settings{"rootfs": "local:1,size=1G,ro=0", "mp0": "local:2,mp=/srv", "unused0": "local:3"}
	for _, c := range []struct{ key, name, value, want string }{
		{"rootfs", "ro", "yes", "local:1,size=1G,ro=1"},
		{"mp0", "mountoptions", "noatime;nosuid", "local:2,mp=/srv,mountoptions=noatime;nosuid"},
		{"mp0", "mountoptions", "noatime,mp=/etc", ""},
		{"mp0", "mountoptions", "noatime\nunprivileged: 0", ""},
		{"mp0", "mountoptions", "", ""},
		{"mp0", "Ro", "1", ""},
		{"mp0", "ro=1,mp", "/etc", ""},
		{"mp1", "ro", "1", ""},
		{"unused0", "ro", "1", ""},
	} {
		got, err := s.withOptions(c.key, map[string]string{c.name: c.value})
		if (err != nil) != (c.want == "") || got != c.want {
			t.Errorf("%s, %s=%q: %q, %v", c.key, c.name, c.value, got, err)
		}
	}
}
