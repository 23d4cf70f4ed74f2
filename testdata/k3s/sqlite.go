package main

import (
	"context"
	"fmt"
	"math"
	"net"
	"os"
	"sync"
	"time"

	"github.com/k3s-io/kine/pkg/drivers"
	"github.com/k3s-io/kine/pkg/drivers/sqlite"
	kine "github.com/k3s-io/kine/pkg/server"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// kineSocket is relative to the server folder, which is the working folder:
// a longer path may not fit into a socket address.
const kineSocket = "kine.sock"

// startSQLite serves a SQLite file as if it were etcd. Only kine's SQLite
// driver is linked: its default endpoint would bring a NATS server along.
func startSQLite(ctx context.Context, o *options, l layout, password, dsn string) (_ *datastore, err error) {
	kctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	_, backend, err := sqlite.New(kctx, &wg, &drivers.Config{
		DataSourceName: dsn, CompactTimeout: 5 * time.Second, CompactMinRetain: 1000,
		CompactBatchSize: 1000, PollBatchSize: 500,
	})
	if err != nil {
		cancel()
		return nil, fmt.Errorf("building kine: %w", err)
	}
	srv := grpc.NewServer(
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second}),
		grpc.MaxRecvMsgSize(2<<20), grpc.MaxSendMsgSize(math.MaxInt32), grpc.MaxConcurrentStreams(math.MaxUint32))
	d := &datastore{
		apiserverArgs: []string{"--etcd-servers=unix://" + kineSocket},
		stop: func() {
			timer := time.AfterFunc(2*time.Second, srv.Stop)
			srv.GracefulStop()
			timer.Stop()
			cancel()
			wg.Wait()
			os.Remove(kineSocket)
		},
	}
	defer func() {
		if err != nil {
			d.stop()
		}
	}()
	if err := backend.Start(kctx); err != nil {
		return nil, fmt.Errorf("starting kine backend: %w", err)
	}
	kine.New(backend, "unix", 5*time.Second, "3.6.11").Register(srv)
	if err := os.RemoveAll(kineSocket); err != nil {
		return nil, err
	}
	listener, err := net.Listen("unix", kineSocket)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(kineSocket, 0o600); err != nil {
		return nil, err
	}
	failed := make(chan error, 1)
	d.failed = failed
	go func() { failed <- srv.Serve(listener) }()

	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"unix://" + kineSocket}, DialTimeout: 10 * time.Second})
	if err != nil {
		return nil, err
	}
	defer client.Close()
	found, err := loadBootstrap(ctx, client, l, password, false)
	if err != nil {
		return nil, err
	}
	if err := preparePKI(l, o, password); err != nil {
		return nil, err
	}
	if !found {
		err = saveBootstrap(ctx, client, l, password)
	}
	return d, err
}
