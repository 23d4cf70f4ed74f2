// Package kine copies and checks the SQLite database in which k3s keeps the
// cluster unless it was told to use etcd. The one thing to know: a copy of
// state.db without its write-ahead log passes every check of SQLite and lacks
// the newest objects, so a copy is made through SQLite's backup interface, and
// only its counts show that it is complete.
package kine

// Contents is what a datastore holds. Keys, Registry, Bootstrap and Encrypted
// count live keys: those whose newest row does not delete them.
type Contents struct {
	Keys       int
	Registry   map[string]int // by resource: "/registry/secrets/", "compact_rev_key"
	Rows       int            // with the older revisions and the deletions
	MaxID      int64          // of the newest row, as the resourceVersion of Kubernetes
	Bootstrap  int            // bootstrap data of k3s: opens with the server token of the time
	Encrypted  int            // values that the API server encrypted
	Encryption []string       // keys of the encryption configuration that these need: "aescbc:v1:aescbckey"
	Size       int64          // of the file, in bytes
}
