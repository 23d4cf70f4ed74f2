package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/railiance/railiance/testdata/estate"
	"github.com/railiance/railiance/testdata/told"
)

func step(name, title string, do func(context.Context) error) told.Step {
	return told.Step{Name: name, Title: title, Do: do}
}

const readyLimit = 2 * time.Minute

func steps(w *world) []told.Step {
	backup := []string{"railiance-backup-s2", "--layer", w.layer}
	restore := func(args ...string) []string {
		return append(append([]string{"railiance-restore-s2"}, args...), "--layer", w.layer)
	}
	tool := func(args []string) func(context.Context) error {
		return func(ctx context.Context) error { return w.Tool(ctx, args...) }
	}
	drill := step("drill", "Drill: the newest set is restored for real, in a network of its own", tool(restore("drill")))
	if os.Geteuid() != 0 {
		drill = step("drill", "Drill: the newest set is opened and counted (booting it needs root, and this is an ordinary user)",
			tool(restore("drill", "--contents-only")))
	}
	return []told.Step{
		step("", "A k3s server (real etcd, API server and kubectl) with Secrets encrypted at rest", w.start),
		step("", "Something to lose: objects of every sort, releases by Helm 3 and Helm 4", w.fill),
		step("", "A key that opens backups, and whose signature counts", func(ctx context.Context) error {
			if err := w.Tool(ctx, restore("init")...); err != nil {
				return err
			}
			return w.Tool(ctx, restore("trust", "--yes")...)
		}),
		step("plan", "What would a backup do?", tool(restore("plan"))),
		step("backup", "Backup", tool(backup)),
		step("verify", "Verify, without the private key", tool(restore("verify"))),
		drill,
		step("status", "How do we stand?", tool(restore("status"))),
		step("disaster", "The disaster: the server's data is deleted", w.disaster),
		step("list", "The bad day: what is there?", tool(restore("list"))),
		step("restore", "Restore", tool(restore("apply", "--yes"))),
		step("compare", "Compare everything with what was there before", w.compare),
	}
}

func (w *world) start(ctx context.Context) error {
	if err := w.Tool(ctx, "systemctl", "start", "k3s"); err != nil {
		return err
	}
	if err := w.server.Ready(ctx, readyLimit); err != nil {
		return fmt.Errorf("%w; its log is %s", err, w.Path("units/k3s.log"))
	}
	return w.Tool(ctx, "k3s", "--version")
}

func (w *world) fill(ctx context.Context) (err error) {
	if err := w.server.Fill(ctx); err != nil {
		return err
	}
	if err := w.Tool(ctx, "helm3", "list", "--all-namespaces", "--all", "--kubeconfig", w.server.Kubeconfig); err != nil {
		return err
	}
	if w.before, err = w.server.Inventory(ctx); err != nil {
		return err
	}
	fmt.Printf("   %d objects, %d Helm releases\n", len(w.before.Objects), len(w.before.Releases))
	return nil
}

func (w *world) disaster(ctx context.Context) error {
	if err := w.Tool(ctx, "systemctl", "stop", "k3s"); err != nil {
		return err
	}
	fmt.Println("   $ rm -rf ./server ./etc/config.yaml ./etc/k3s.yaml")
	for _, path := range []string{"server", "etc/config.yaml", "etc/k3s.yaml"} {
		if err := os.RemoveAll(w.Path(path)); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) compare(ctx context.Context) (err error) {
	if err := w.server.Ready(ctx, readyLimit); err != nil {
		return err
	}
	if w.after, err = w.server.Inventory(ctx); err != nil {
		return err
	}
	fmt.Println()
	estate.Table(os.Stdout, w.before, w.after)
	lost := estate.Differences(w.before, w.after)
	for _, line := range lost {
		fmt.Println(line)
	}
	if len(lost) > 0 {
		return fmt.Errorf("%d things are not as they were", len(lost))
	}
	return nil
}
