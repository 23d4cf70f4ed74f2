package plugin

import (
	"context"
	"errors"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/metrics"
	"github.com/railiance/railiance/tools/internal/ping"
	"github.com/railiance/railiance/tools/internal/sign"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/store"
)

// The deeds that somebody may want to hear of.
const (
	Backup = "backup"
	Verify = "verify"
	Drill  = "drill"
)

// Deed does one of the deeds above and tells those who watch from outside, as
// far as the layer configures any. What goes wrong in the telling is a warning:
// it changes neither the deed nor its error, which Deed returns.
func (sh *Shell) Deed(ctx context.Context, l *layer.Layer, name string, do func(context.Context) error) error {
	signals := sh.signals(l)
	if signals != nil && name == Backup {
		sh.warn(signals.Start(ctx))
	}
	begin := sh.Now()
	err := do(ctx)
	if errors.Is(err, state.ErrHeld) {
		return err // the run that holds the lock will tell how it went
	}
	// A deed that was stopped must be told of too.
	ctx = context.WithoutCancel(ctx)
	if l.Metrics != "" {
		end := sh.Now()
		sh.warn(metrics.Write(l.Metrics,
			metrics.Run{Layer: l.Name, Deed: name, OK: err == nil, End: end, Took: end.Sub(begin)},
			sh.facts(ctx, l, name)))
	}
	switch {
	case signals == nil:
	case err != nil:
		sh.warn(signals.Fail(ctx))
	case name == Backup:
		// Only a backup may report success: the verification that follows a
		// failed one would turn the alarm off.
		sh.warn(signals.Success(ctx))
	}
	return err
}

func (sh *Shell) warn(err error) {
	if err != nil {
		sh.Tell.Warn("", "%v", err)
	}
}

// signals is where the pings of the layer go, or nil.
func (sh *Shell) signals(l *layer.Layer) *ping.Target {
	if l.PingURL == "" {
		return nil
	}
	target, err := ping.Load(l.PingURL)
	sh.warn(err)
	return target
}

// facts are read anew rather than handed over by the deed, so that they are
// there also where it failed before it had read anything. What cannot be read
// is left out; the deed has complained about it.
func (sh *Shell) facts(ctx context.Context, l *layer.Layer, deed string) metrics.Facts {
	var f metrics.Facts
	stamp, err := state.ReadStamp(l.Backups, map[string]string{
		Backup: state.BackupStamp, Verify: state.VerifyStamp, Drill: state.DrillStamp,
	}[deed])
	if err == nil {
		f.Stamp = &stamp
	}
	if deed != Backup {
		return f
	}
	if l.Guests != nil {
		if sh.Copies != nil {
			f.Copies = sh.Copies(ctx)
		}
		return f
	}
	dir, err := store.OpenDir(l.Backups)
	if err != nil {
		return f
	}
	trust, err := sign.LoadTrust(l.Signers)
	if err != nil {
		return f
	}
	sets, problems, err := catalog.Read(ctx, dir, trust)
	f.Known, f.Sets, f.Untrusted = err == nil, sets, len(problems)
	return f
}
