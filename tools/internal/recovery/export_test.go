package recovery

// OnNote has f called after every entry in the journal.
func (r *Restore) OnNote(f func(step string)) { r.noted = f }

// Served gives the fake API server its paths.
func Served() map[string]string { return served() }

// Settings is settings.
func Settings(here, set []byte) ([]string, error) { return settings(here, set) }
