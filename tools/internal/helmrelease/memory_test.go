package helmrelease

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// manyReleases streams a list of n releases of a megabyte of JSON each, half of
// it values, without ever holding it.
func manyReleases(t testing.TB, n int) io.Reader {
	t.Helper()
	rnd := rand.New(rand.NewPCG(1, 2))
	values := map[string]string{}
	for i := range 500 {
		values[fmt.Sprintf("key%03d", i)] = strings.Repeat(fmt.Sprintf("%016x line\n", rnd.Uint64()), 50)
	}
	config := canonical(t, values)
	r, w := io.Pipe()
	go func() {
		_, err := io.WriteString(w, `{"kind":"SecretList","metadata":{},"items":[`)
		for i := range n {
			name := fmt.Sprintf("rel%04d", i)
			record := release("many", name, 1, "deployed", config)
			record = bytes.Replace(record, []byte(`"manifest":"m"`), fmt.Appendf(nil, `"manifest":%q`, config), 1)
			item, jsonErr := json.Marshal(secret(t, "many", name, 1, record))
			if err != nil || jsonErr != nil {
				break
			}
			if i > 0 {
				item = append([]byte(","), item...)
			}
			_, err = w.Write(item)
		}
		if err == nil {
			_, err = io.WriteString(w, "]}")
		}
		w.CloseWithError(err)
	}()
	return r
}

// The generator of the list shares the measured heap, so that the reader's own
// share is less than what is shown.
func TestMemoryIsFlat(t *testing.T) {
	runtime.GC() // what other tests left is not ours
	var peak atomic.Uint64
	done := make(chan struct{})
	defer close(done)
	go func() {
		var m runtime.MemStats
		for {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
				runtime.ReadMemStats(&m)
				peak.Store(max(peak.Load(), m.HeapInuse+m.StackInuse))
			}
		}
	}()
	const releases = 60
	tarR, tarW := io.Pipe()
	go func() {
		a := NewArchive(tarW)
		_, err := Read(manyReleases(t, releases), a.Add)
		if err == nil {
			_, err = a.Close()
		}
		tarW.CloseWithError(err)
	}()
	c, err := ReadTar(tarR)
	if err != nil {
		t.Fatal(err)
	}
	if c.Count() != releases || len(c.Problems) > 0 {
		t.Errorf("%d releases, problems %v", c.Count(), c.Problems)
	}
	const limit = 64 << 20
	if p := peak.Load(); p > limit || p == 0 {
		t.Errorf("peak of %d MiB for %d releases of a megabyte, limit %d MiB", p>>20, releases, limit>>20)
	} else {
		t.Logf("peak %d MiB", p>>20)
	}
}
