package tell

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// everyLine is how often a log hears of a long deed.
const everyLine = 30 * time.Second

// Progress returns a writer that is shown how many bytes of an asset have
// passed, and the function that ends the show. On a terminal it draws; in a log
// it is a line now and then.
func (t *Teller) Progress(asset string) (io.Writer, func()) {
	if t == nil || t.W == nil {
		return io.Discard, func() {}
	}
	if t.Terminal {
		bar := progressbar.NewOptions64(-1,
			progressbar.OptionSetWriter(t.W),
			progressbar.OptionSetDescription(t.Layer+"/"+asset),
			progressbar.OptionShowBytes(true),
			progressbar.OptionThrottle(200*time.Millisecond),
			progressbar.OptionClearOnFinish())
		return bar, func() { _ = bar.Finish() }
	}
	return &ticker{teller: t, asset: asset, begin: time.Now(), last: time.Now()}, func() {}
}

type ticker struct {
	teller      *Teller
	asset       string
	begin, last time.Time
	n           int64
}

func (k *ticker) Write(p []byte) (int, error) {
	k.n += int64(len(p))
	if now := time.Now(); now.Sub(k.last) >= everyLine {
		k.last = now
		k.teller.Say(k.asset, "%s so far, %s", Bytes(k.n), now.Sub(k.begin).Round(time.Second))
	}
	return len(p), nil
}
