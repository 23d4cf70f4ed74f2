package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/sirupsen/logrus"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

// shutdownLimit ends a server whose parts do not stop; systemd would wait for
// longer, a test should not.
const shutdownLimit = 20 * time.Second

func server(args []string) error {
	var o options
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	o.serverFlags(flags)
	rest, err := o.parse(flags, args, true)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q", rest[0])
	}
	if o.kubeconfig == "" {
		o.kubeconfig = defaultKubeconfig()
	}
	if o.restorePath != "" && !o.clusterReset {
		return errors.New("invalid flag use; --cluster-reset required with --cluster-reset-restore-path")
	}
	l := layoutOf(o.dataDir)
	if err := l.create(); err != nil {
		return fmt.Errorf("preparing server: %w", err)
	}
	password, err := resolveToken(&o, l)
	if err != nil {
		return err
	}
	if err := os.Chdir(string(l)); err != nil {
		return err
	}
	logrus.Infof("Starting k3s %s (%s)", version, commit)
	if o.clusterReset {
		if err := reset(&o, l, password); err != nil {
			return fmt.Errorf("starting kubernetes: preparing server: %w", err)
		}
		return nil
	}
	if password == "" {
		password = newPassword()
	}
	return serve(&o, l, password)
}

func serve(o *options, l layout, password string) error {
	// Made first: this is what catches the signals from here on.
	cmd := app.NewAPIServerCommand()
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()

	addr, err := addresses(o)
	if err != nil {
		return err
	}
	d, err := openDatastore(ctx, o, l, password)
	if err != nil {
		return fmt.Errorf("starting kubernetes: preparing server: failed to bootstrap cluster data: %w", err)
	}
	if err := os.Remove(l.resetFlag()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeKubeconfig(o, l); err != nil {
		return err
	}
	go func() {
		<-ctx.Done()
		time.Sleep(shutdownLimit)
		logrus.Fatal("did not stop in time")
	}()
	go func() {
		if err := <-d.failed; err != nil && ctx.Err() == nil {
			logrus.Fatalf("datastore failed: %v", err)
		}
	}()
	go func() {
		if err := afterReady(ctx, o, l); err != nil && ctx.Err() == nil {
			logrus.Fatal(err)
		}
	}()
	err = runAPIServer(cmd, apiserverArgs(o, l, addr, d))
	cancel()
	d.stop()
	if err != nil {
		return fmt.Errorf("apiserver exited: %w", err)
	}
	logrus.Info("Shutdown complete")
	return nil
}
