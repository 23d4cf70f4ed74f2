// Package layercli is what the command lines of all layers have in common: the
// verbs trust, init and schedule, the question before a change, and the way to
// the private keys.
package layercli
