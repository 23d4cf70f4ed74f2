package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const leastFaster = 10 // times, at 100 releases

// theLoop is what the cluster's old script did: one call of helm a release.
const theLoop = `mkdir "$OLD/values"
	helm list -A -m 0 | tail -n +2 | while read -r name namespace rest; do
		helm get values "$name" -n "$namespace" -o yaml >"$OLD/values/$namespace-$name.yaml"
	done
	tar -C "$OLD" -c values | gzip | age -r "$R" -o "$OUT"
	sync "$OUT"`

// helm compares at each number of releases, which are made in one cluster.
func helm(ctx context.Context, t *table, programs, parts, dir string, quick bool) (err error) {
	w, err := newWorld(ctx, dir, programs, filepath.Join(parts, "k3s"))
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Symlink(filepath.Join(parts, "helm3"), w.path("bin/helm")); err != nil {
		return err
	}
	if err := w.owns("{name: helm-values, kind: helm-values}"); err != nil {
		return err
	}
	stop, err := w.serve(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if err := w.firstRelease(ctx); err != nil {
		return err
	}
	made := 1
	for _, step := range []struct{ releases, rounds int }{{10, 5}, {100, 3}, {1000, 1}} {
		if quick && step.releases > 100 {
			t.leftOut(fmt.Sprintf("%d Helm releases", step.releases))
			continue
		}
		if err := w.releases(ctx, made, step.releases); err != nil {
			return err
		}
		made = step.releases
		results, err := contest(ctx, step.rounds, w.ours(1), w.shell("helm list, get values …; tar | gzip | age", theLoop, 1))
		if err != nil {
			return err
		}
		t.compare(fmt.Sprintf("%d Helm releases", made), results)
		t.expect(results[0].tree.first < mostMemory, "%s of memory, without k3s kubectl", mib(results[0].tree.first))
		if made == 100 {
			faster := ratio(results[1].wall, results[0].wall)
			t.expect(faster >= leastFaster, "%.0f times as fast as the loop, at least %d", faster, leastFaster)
		}
	}
	return nil
}

// serve starts a real API server and waits for it.
func (w *world) serve(ctx context.Context) (stop func() error, err error) {
	api, etcd, err := freePorts()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(w.path("server.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	w.env = append(w.env, fmt.Sprintf("K3S_STANDIN_ETCD_PORT=%d", etcd), "K3S_CONFIG_FILE="+w.path("etc/config.yaml"))
	server := exec.Command(w.path("bin/k3s"), "server", "--cluster-init", "--data-dir", w.path("server"), "--write-kubeconfig", w.path("etc/k3s.yaml"),
		"--bind-address", "127.0.0.1", "--node-ip", "127.0.0.1", "--https-listen-port", fmt.Sprint(api))
	server.Env = append(os.Environ(), w.env...)
	server.Stdout, server.Stderr = log, log
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := server.Start(); err != nil {
		return nil, err
	}
	stop = func() error { return errors.Join(server.Process.Signal(syscall.SIGTERM), server.Wait()) }
	for begin := time.Now(); ; {
		err := w.run(ctx, "/bin/sh", "-c", "k3s kubectl get --raw /readyz && k3s kubectl -n default get serviceaccount default")
		if err == nil {
			return stop, nil
		}
		if time.Since(begin) > time.Minute || ctx.Err() != nil {
			return nil, errors.Join(fmt.Errorf("the server is not ready: %w", err), stop())
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// freePorts finds a port for the API and two in a row for etcd.
func freePorts() (api, etcd int, err error) {
	for range 50 {
		var listeners []net.Listener
		port := 0
		for _, want := range []func() int{
			func() int { return 0 }, func() int { return 0 }, func() int { return port + 1 },
		} {
			l, listenErr := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", want()))
			if listenErr != nil {
				err = listenErr
				break
			}
			listeners = append(listeners, l)
			port = l.Addr().(*net.TCPAddr).Port
		}
		for _, l := range listeners {
			_ = l.Close()
		}
		if len(listeners) == 3 {
			return listeners[0].Addr().(*net.TCPAddr).Port, port - 1, nil
		}
	}
	return 0, 0, fmt.Errorf("no free ports: %w", err)
}

// firstRelease installs Helm's own starter chart, with values.
func (w *world) firstRelease(ctx context.Context) error {
	return w.run(ctx, "/bin/sh", "-euc", `cd "$HOME" && helm create starter && helm install release-0 starter --namespace team-0 --create-namespace \
		--set image.repository=registry.example.org/web --set image.tag=1.27 --set ingress.enabled=true --set ingress.className=traefik \
		--set resources.limits.memory=256Mi --set resources.requests.cpu=100m --set password=hunter2 --set replicaCount=3`)
}

// releases makes the releases from number first to before number end: clones
// of the first one, under names and with values of their own.
func (w *world) releases(ctx context.Context, first, end int) error {
	return w.run(ctx, "/bin/bash", "-euc", fmt.Sprintf(`set -o pipefail
		for team in 0 1 2 3 4 5 6 7 8 9; do k3s kubectl get namespace "team-$team" >/dev/null 2>&1 || k3s kubectl create namespace "team-$team"; done
		k3s kubectl -n team-0 get secret sh.helm.release.v1.release-0.v1 -o json | mkreleases %d %d | k3s kubectl create -f - >/dev/null`, first, end))
}
