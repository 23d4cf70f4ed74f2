// Command demo is the main job from end to end, told as it goes: a k3s server
// with objects and Helm releases is backed up, verified, drilled, destroyed and
// restored, and everything that was there is compared with everything that came
// back. All of it happens in one folder; nothing outside is touched.
//
// The one thing to know: DEMO_SABOTAGE breaks one step on purpose, and the demo
// must then fail. A demo that cannot fail shows nothing.
package main

import "github.com/railiance/railiance/testdata/told"

func main() {
	told.Demo[*world]{
		Parts: "k3s, systemctl, helm3, helm4", Settle: settle, Steps: steps, Saboteurs: saboteurs, End: (*world).end,
		Good: "every object and every release is equal",
	}.Main()
}
