package pve

import "testing"

func TestIdentity(t *testing.T) {
	const uuid, other = "uuid=0f0f0f0f-1111-2222-3333-444444444444", "uuid=5a5a5a5a-1111-2222-3333-444444444444"
	meta := func(ctime string) text { return text("creation-qemu=10.0.2,ctime=" + ctime) }
	net := func(address string) text { return text("name=eth0,bridge=vmbr0,hwaddr=" + address + ",type=veth") }
	for name, c := range map[string]struct {
		kind        string
		before, now settings
		want        bool
	}{
		"the same":                      {VM, settings{"smbios1": uuid, "name": "a"}, settings{"smbios1": "manufacturer=x," + uuid, "name": "b"}, false},
		"in capitals":                   {VM, settings{"smbios1": "uuid=AAAAAAAA-1111-2222-3333-444444444444"}, settings{"smbios1": "uuid=aaaaaaaa-1111-2222-3333-444444444444"}, false},
		"another":                       {VM, settings{"smbios1": uuid}, settings{"smbios1": other}, true},
		"another, cloned at one time":   {VM, settings{"smbios1": uuid, "meta": meta("1763740000")}, settings{"smbios1": other, "meta": meta("1763740000")}, true},
		"made at another time":          {VM, settings{"meta": meta("1763740000")}, settings{"meta": meta("1763740001")}, true},
		"not known before":              {VM, settings{}, settings{"smbios1": other}, false},
		"not known now":                 {VM, settings{"smbios1": uuid}, settings{"smbios1": "serial=1"}, false},
		"known by other things":         {VM, settings{"smbios1": uuid}, settings{"meta": meta("1763740000")}, false},
		"a container":                   {CT, settings{"net0": net("BC:24:11:00:00:01")}, settings{"net0": net("bc:24:11:00:00:01"), "net1": net("BC:24:11:00:00:09")}, false},
		"another container":             {CT, settings{"net0": net("BC:24:11:00:00:01")}, settings{"net0": net("BC:24:11:00:00:02")}, true},
		"a container without a network": {CT, settings{"hostname": "a"}, settings{"hostname": "b"}, false},
		"the first card counts":         {CT, settings{"net2": net("BC:24:11:00:00:01"), "net10": net("BC:24:11:00:00:02")}, settings{"net2": net("BC:24:11:00:00:01")}, false},
	} {
		if got := Another(c.before.identity(c.kind), c.now.identity(c.kind)); got != c.want {
			t.Errorf("%s: %v: %q, %q", name, got, c.before.identity(c.kind), c.now.identity(c.kind))
		}
	}
}
