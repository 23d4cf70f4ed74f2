package asset

import "testing"

// What may be shown of an endpoint is how one speaks to it.
func TestScheme(t *testing.T) {
	for endpoint, want := range map[string]string{
		"mysql://root:secret@tcp(h)/k3s": "mysql",
		"postgres://u:secret@h/k3s":      "postgres",
		"h/secret":                       "of an unknown kind",
		"postgres://u:sec\x7fret@h":      "of an unknown kind",
	} {
		if got := scheme(endpoint); got != want {
			t.Errorf("%q: %q, want %q", endpoint, got, want)
		}
	}
}
