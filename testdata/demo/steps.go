package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/railiance/railiance/testdata/estate"
)

type step struct {
	name  string // by which a saboteur knows it
	title string
	do    func(context.Context) error
}

const readyLimit = 2 * time.Minute

func steps(w *world) []step {
	backup := []string{"railiance-backup-s2", "--layer", w.layer}
	restore := func(args ...string) []string {
		return append(append([]string{"railiance-restore-s2"}, args...), "--layer", w.layer)
	}
	tool := func(args []string) func(context.Context) error {
		return func(ctx context.Context) error { return w.tool(ctx, args...) }
	}
	drill := step{"drill", "Drill: the newest set is restored for real, in a network of its own", tool(restore("drill"))}
	if os.Geteuid() != 0 {
		drill = step{"drill", "Drill: the newest set is opened and counted (booting it needs root, and this is an ordinary user)",
			tool(restore("drill", "--contents-only"))}
	}
	return []step{
		{"", "A k3s server (real etcd, API server and kubectl) with Secrets encrypted at rest", w.start},
		{"", "Something to lose: objects of every sort, releases by Helm 3 and Helm 4", w.fill},
		{"", "A key that opens backups, and whose signature counts", func(ctx context.Context) error {
			if err := w.tool(ctx, restore("init")...); err != nil {
				return err
			}
			return w.tool(ctx, restore("trust", "--yes")...)
		}},
		{"plan", "What would a backup do?", tool(restore("plan"))},
		{"backup", "Backup", tool(backup)},
		{"verify", "Verify, without the private key", tool(restore("verify"))},
		drill,
		{"status", "How do we stand?", tool(restore("status"))},
		{"disaster", "The disaster: the server's data is deleted", w.disaster},
		{"list", "The bad day: what is there?", tool(restore("list"))},
		{"restore", "Restore", tool(restore("apply", "--yes"))},
		{"compare", "Compare everything with what was there before", w.compare},
	}
}

func (w *world) start(ctx context.Context) error {
	if err := w.tool(ctx, "systemctl", "start", "k3s"); err != nil {
		return err
	}
	if err := w.server.Ready(ctx, readyLimit); err != nil {
		return fmt.Errorf("%w; its log is %s", err, w.path("units/k3s.log"))
	}
	return w.tool(ctx, "k3s", "--version")
}

func (w *world) fill(ctx context.Context) (err error) {
	if err := w.server.Fill(ctx); err != nil {
		return err
	}
	if err := w.tool(ctx, "helm3", "list", "--all-namespaces", "--all", "--kubeconfig", w.server.Kubeconfig); err != nil {
		return err
	}
	if w.before, err = w.server.Inventory(ctx); err != nil {
		return err
	}
	fmt.Printf("   %d objects, %d Helm releases\n", len(w.before.Objects), len(w.before.Releases))
	return nil
}

func (w *world) disaster(ctx context.Context) error {
	if err := w.tool(ctx, "systemctl", "stop", "k3s"); err != nil {
		return err
	}
	fmt.Println("   $ rm -rf ./server ./etc/config.yaml ./etc/k3s.yaml")
	for _, path := range []string{"server", "etc/config.yaml", "etc/k3s.yaml"} {
		if err := os.RemoveAll(w.path(path)); err != nil {
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
