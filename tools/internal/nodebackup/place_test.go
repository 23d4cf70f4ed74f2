package nodebackup

import "testing"

// A node says of each file where it belongs, and may only fill what it was asked
// for.
func TestPlace(t *testing.T) {
	for name, want := range map[string]string{
		"./":                            "etc/pve",
		"./priv/authkey.key":            "etc/pve/priv/authkey.key",
		"etc/":                          "etc",
		"etc/ssh/sshd_config":           "etc/ssh/sshd_config",
		"root/.ssh/id_ed25519":          "root/.ssh/id_ed25519",
		"var/spool/cron/crontabs":       "var/spool/cron/crontabs",
		"config.db":                     "var/lib/pve-cluster/config.db",
		"./config.db":                   "etc/pve/config.db",
		"./../shadow":                   "", // would be /etc/shadow, which etc/shadow is
		"./..":                          "",
		"etc/../root/.ssh/id":           "",
		"etc/pve":                       "",
		"etc/pve/storage.cfg":           "", // ./storage.cfg is
		"etcetera":                      "",
		"root/.bashrc":                  "",
		"var/lib/pve-cluster/config.db": "",
		"/etc/passwd":                   "",
		"":                              "",
	} {
		got, err := place(name)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
}
