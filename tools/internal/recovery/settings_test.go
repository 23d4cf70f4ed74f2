package recovery_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/recovery"
)

// Differences are shown; secrets are not, however the file hides them.
func TestSettings(t *testing.T) {
	for _, c := range []struct {
		name, here, set string
		want            []string
	}{
		{"same in another order", "a: 1\nb: 2 # why\n", "b: 2\na: 1\n", nil},
		{"changed, new, gone", "a: 1\nb: [x, y]\n", "a: 2\nc: z\n", []string{"- a: 1", "+ a: 2", "- b[0]: x", "- b[1]: y", "+ c: z"}},
		{"token", "token: hunter2\n", "token: hunter3\n", []string{"- token: (not shown)", "+ token: (not shown)"}},
		{"token that is the same", "token: hunter2\na: 1", "token: hunter2\n", []string{"- a: 1"}},
		{"flow", "{token: hunter2}", "", []string{"- token: (not shown)"}},
		{"block", "agent-token: |\n  hunter2\n  hunter3\n", "", []string{"- agent-token: (not shown)"}},
		{"below", "configs:\n  r.example:\n    auth:\n      username: u\n      password: hunter2\n", "",
			[]string{"- configs.r.example.auth.password: (not shown)", "- configs.r.example.auth.username: (not shown)"}},
		{"address with a password", "proxy: http://me:hunter2@proxy", "", []string{"- proxy: (not shown)"}},
		{"argument", "kube-apiserver-arg: [oidc-client-secret=hunter2, v=2]", "", []string{"- kube-apiserver-arg[0]: (not shown)", "- kube-apiserver-arg[1]: v=2"}},
		{"switch", "secrets-encryption: true", "secrets-encryption: false", []string{"- secrets-encryption: true", "+ secrets-encryption: false"}},
		{"escapes", "a: \"\\e[2J\"", "", []string{"- a: �[2J"}},
		{"long", "a: " + strings.Repeat("x", 500), "", []string{"- a: (500 characters)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := recovery.Settings([]byte(c.here), []byte(c.set))
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	for _, bad := range []string{"token: [hunter2", "a: 1\n---\ntoken: hunter2\n"} {
		if _, err := recovery.Settings([]byte(bad), nil); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
