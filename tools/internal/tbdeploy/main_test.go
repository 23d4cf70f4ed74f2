package tbdeploy

import (
	"flag"
	"os"
	"testing"
)

// The tests wait for spanning tree and for timers, hardly for the processor:
// more of them run beside each other than there are processors.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
