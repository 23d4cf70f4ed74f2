package store

import "context"

// A Site is a place that holds stores side by side, a folder for each guest or
// node. Its methods may be called at once from several goroutines.
//
// A Put to one of its stores may get its bytes slowly for hours: only a network
// that stands still ends it, and the context.
type Site interface {
	// Store returns the store called name, which is made at its first Put. Until
	// then it is empty. The name obeys CheckName.
	Store(ctx context.Context, name string) (Store, error)
	// Names returns the names of the stores that hold anything, in order.
	Names(ctx context.Context) ([]string, error)
	// Check says what is wrong with the site: out of reach, not mounted, not
	// writable, no room for want bytes where that can be known. 0 does not ask.
	Check(ctx context.Context, want int64) error
	// Sweep removes the drafts that killed runs left in the store called name
	// and returns their names. The caller holds the lock: a draft of a living
	// run would go too.
	Sweep(ctx context.Context, name string) ([]string, error)
	// Where is the site as people know it. It holds no secret.
	Where() string
}
