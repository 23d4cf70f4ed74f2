package recovery

import "github.com/railiance/railiance/tools/internal/catalog"

// OnNote has f called after every entry in the journal.
func (r *Restore) OnNote(f func(step string)) { r.noted = f }

// Missing is missing.
func Missing(saved, found catalog.Contents) error { return missing(saved, found) }

// Settings is settings.
func Settings(here, set []byte) ([]string, error) { return settings(here, set) }
