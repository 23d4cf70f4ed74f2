package tell

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// everyLine is how often a log hears of a long deed.
const everyLine = 30 * time.Second

// Progress returns a writer that is shown how many bytes of an asset have
// passed, and the function that ends the show. On a terminal it draws; in a log
// it is a line now and then.
func (t *Teller) Progress(asset string) (io.Writer, func()) { return t.Long(asset, "", 0) }

// Long is Progress for what takes long enough to ask when it ends. where says
// where it goes on, may be empty; about is how many bytes are likely, 0 when
// nobody knows. Of several at once the first one draws, the others log.
func (t *Teller) Long(asset, where string, about int64) (io.Writer, func()) {
	if t == nil || t.W == nil {
		return io.Discard, func() {}
	}
	if t.Terminal && t.drawing.CompareAndSwap(false, true) {
		what := t.Layer + "/" + asset
		if where != "" {
			what += " " + where
		}
		d := &drawing{bar: progressbar.NewOptions64(-1,
			progressbar.OptionSetWriter(t.W),
			progressbar.OptionSetDescription(what),
			progressbar.OptionShowBytes(true),
			progressbar.OptionThrottle(200*time.Millisecond),
			progressbar.OptionClearOnFinish())}
		if about > 0 {
			d.expect(about)
		}
		return d, func() {
			_ = d.bar.Finish()
			t.drawing.Store(false)
		}
	}
	if where != "" {
		where += ": "
	}
	return &ticker{teller: t, asset: asset, where: where, about: about, begin: time.Now(), last: time.Now()}, func() {}
}

// drawing is a bar that grows with what it shows: what was likely is no limit.
type drawing struct {
	bar      *progressbar.ProgressBar
	n, about int64
}

func (d *drawing) expect(about int64) {
	d.about = about
	d.bar.ChangeMax64(about)
}

func (d *drawing) Write(p []byte) (int, error) {
	d.n += int64(len(p))
	if d.about > 0 && d.n >= d.about {
		d.expect(d.n + d.n/10 + 1)
	}
	return d.bar.Write(p)
}

type ticker struct {
	teller       *Teller
	asset, where string
	about        int64
	begin, last  time.Time
	n            int64
}

func (k *ticker) Write(p []byte) (int, error) {
	k.n += int64(len(p))
	if now := time.Now(); now.Sub(k.last) >= everyLine {
		k.last = now
		k.teller.Say(k.asset, "%s%s", k.where, soFar(k.n, k.about, now.Sub(k.begin)))
	}
	return len(p), nil
}

// soFar tells of n bytes in the time took, of about so many.
func soFar(n, about int64, took time.Duration) string {
	said := fmt.Sprintf("%s so far, %s", Bytes(n), took.Round(time.Second))
	rate := float64(n) / took.Seconds()
	if rate < 1 {
		return said
	}
	said += fmt.Sprintf(", %s/s", Bytes(int64(rate)))
	if about > n {
		left := time.Duration(float64(about-n) / rate * float64(time.Second))
		said += fmt.Sprintf(", about %s left", left.Round(time.Second))
	}
	return said
}
