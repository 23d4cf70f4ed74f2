package catalog

import (
	"encoding/json"
	"os"
	"testing"
	"time"
)

// What Proxmox's own code says of each case.
func TestKeepAgreesWithProxmox(t *testing.T) {
	b, err := os.ReadFile("testdata/retention.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases []struct {
			Name, Timezone string
			Keep           map[string]int
			Backups        []struct {
				Time      int64
				Protected bool
			}
			Expected []struct {
				Time int64
				Mark string
			}
		}
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) < 12 {
		t.Fatalf("%d cases, want 12", len(file.Cases))
	}
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			zone, err := time.LoadLocation(c.Timezone)
			if err != nil {
				t.Fatal(err)
			}
			keep := Keep{
				Last: c.Keep["keep-last"], Hourly: c.Keep["keep-hourly"], Daily: c.Keep["keep-daily"],
				Weekly: c.Keep["keep-weekly"], Monthly: c.Keep["keep-monthly"], Yearly: c.Keep["keep-yearly"],
			}
			got := map[int64]string{}
			var times []time.Time
			for _, backup := range c.Backups {
				if backup.Protected {
					got[backup.Time] = "protected"
					continue
				}
				times = append(times, time.Unix(backup.Time, 0).In(zone))
			}
			for i, reasons := range keep.Reasons(times) {
				got[times[i].Unix()] = "remove"
				if len(reasons) > 0 {
					got[times[i].Unix()] = "keep"
				}
			}
			for _, want := range c.Expected {
				if got[want.Time] != want.Mark {
					t.Errorf("%s: %s, want %s", time.Unix(want.Time, 0).In(zone), got[want.Time], want.Mark)
				}
			}
		})
	}
}
