package recovery_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"go.etcd.io/bbolt"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/etcdsnap"
	"github.com/railiance/railiance/tools/internal/kine"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/recovery"
	"github.com/railiance/railiance/tools/internal/registry"
	"github.com/railiance/railiance/tools/internal/restorecli"
	"github.com/railiance/railiance/tools/internal/sign"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

// The test binary is also k3s, systemctl and the program under test: restores
// that are killed have to be processes.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "k3s":
		os.Exit(fakeK3s(os.Args[1:]))
	case "systemctl":
		os.Exit(fakeSystemctl(os.Args[1:]))
	case "railiance-restore-s2":
		os.Exit(plugin.Main("railiance-restore-s2", restorecli.Command))
	case "restore-to-death":
		os.Exit(restoreToDeath())
	}
	os.Exit(m.Run())
}

// restoreToDeath restores and kills itself at the entry of the journal whose
// number it is given.
func restoreToDeath() int {
	deadly, _ := strconv.Atoi(os.Getenv("DIE_AT"))
	l, err := layer.Load(os.Getenv("LAYER"), layer.Places{BackupRoot: os.Getenv("BACKUP_ROOT"), StateRoot: os.Getenv("RAILIANCE_STATE"), Home: os.Getenv("HOME")})
	if err != nil {
		panic(err)
	}
	dir, err := store.OpenDir(l.Backups)
	if err != nil {
		panic(err)
	}
	trust, err := sign.LoadTrust(l.Signers)
	if err != nil {
		panic(err)
	}
	sets, _, err := catalog.Read(context.Background(), dir, trust)
	if err != nil {
		panic(err)
	}
	r := &recovery.Restore{
		Layer: l, From: dir, Set: sets[0], Now: time.Now, Ready: 5 * time.Second, Tell: &tell.Teller{Program: "death", W: os.Stderr},
		Keys: func() ([]age.Identity, error) {
			key, err := age.ParseX25519Identity(os.Getenv("SOPS_AGE_KEY"))
			return []age.Identity{key}, err
		},
	}
	n := 0
	r.OnNote(func(string) {
		if n++; n == deadly {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	if os.Getenv("BACK") != "" {
		var j *recovery.Journal
		if j, err = recovery.Newest(l); err == nil {
			err = r.Back(context.Background(), j, func(recovery.Plan) error { return nil })
		}
	} else {
		_, err = r.Do(context.Background(), func(recovery.Plan) error { return nil })
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err, tell.Hints(err))
		return 1
	}
	return 0
}

func complain(format string, args ...any) int {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	return 1
}

// fakeK3s knows the calls that a restore makes, and refuses all others.
func fakeK3s(args []string) int {
	world := os.Getenv("WORLD")
	if log, err := os.OpenFile(filepath.Join(world, "argv"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		fmt.Fprintln(log, args)
		_ = log.Close()
	}
	switch {
	case len(args) == 1 && args[0] == "--version":
		fmt.Println("k3s version v1.36.3+k3s1 (deadbeef)\ngo version go1.26")
		return 0
	case len(args) == 4 && args[0] == "kubectl" && args[1] == "get" && args[2] == "--raw":
		return fakeAPI(world, args[3])
	case strings.Join(args, " ") == "kubectl get namespaces":
		return fakeAPI(world, "/readyz")
	case len(args) == 5 && args[0] == "kubectl" && args[1] == "--kubeconfig" && args[3] == "config" && args[4] == "view":
		_, err := os.Stat(args[2])
		if err != nil {
			return complain("%v", err)
		}
		return 0
	case len(args) > 1 && args[0] == "server" && args[1] == "--cluster-reset":
		return fakeReset(world, args[2:])
	}
	return complain("fake k3s: what is %q?", args)
}

func fakeReset(world string, args []string) int {
	given := map[string]string{}
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		given[name] = value
	}
	for name := range given {
		switch name {
		case "--cluster-reset-restore-path", "--etcd-s3", "--token-file", "--data-dir", "--config":
		default:
			return complain("fake k3s: flag provided but not defined: %s", name)
		}
	}
	if given["--etcd-s3"] != "false" {
		return complain("fake k3s: would look in S3")
	}
	token, err := os.ReadFile(given["--token-file"])
	if err != nil || strings.TrimSpace(string(token)) != setToken {
		return complain(`level=fatal msg="bootstrap data already found and encrypted with different token"`)
	}
	db := filepath.Join(given["--data-dir"], "server", "db")
	if _, err := os.Stat(filepath.Join(db, "etcd")); err == nil {
		return complain("fake k3s: the old etcd is still there")
	}
	b, err := os.ReadFile(given["--cluster-reset-restore-path"])
	if err != nil {
		return complain("%v", err)
	}
	if err := os.MkdirAll(filepath.Join(db, "etcd", "member", "snap"), 0o700); err != nil {
		return complain("%v", err)
	}
	if _, err := os.Stat(filepath.Join(world, "slow")); err == nil {
		_ = os.WriteFile(filepath.Join(world, "pid"), []byte(strconv.Itoa(os.Getpid())), 0o600)
		time.Sleep(time.Minute)
	}
	time.Sleep(20 * time.Millisecond)
	b = b[:len(b)-32]
	err = errors.Join(
		os.WriteFile(filepath.Join(db, "etcd", "member", "snap", "db"), b, 0o600),
		os.WriteFile(filepath.Join(db, "reset-flag"), nil, 0o600))
	if err == nil && fileExists(filepath.Join(world, "lossy")) {
		err = lose(filepath.Join(db, "etcd", "member", "snap", "db"), "/registry/namespaces/default")
	}
	if err != nil {
		return complain("%v", err)
	}
	return 0
}

// lose takes what tells of a key out of an etcd's database.
func lose(path, key string) error {
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte("key"))
		cursor := bucket.Cursor()
		for revision, record := cursor.First(); revision != nil; revision, record = cursor.Next() {
			if bytes.Contains(record[:min(100, len(record))], []byte(key)) {
				return bucket.Delete(revision)
			}
		}
		return fmt.Errorf("no %s", key)
	})
	return errors.Join(err, db.Close())
}

func fakeAPI(world, path string) int {
	if _, err := os.Stat(filepath.Join(world, "running")); err != nil {
		return complain("The connection to the server 127.0.0.1:6443 was refused")
	}
	if path == "/readyz" {
		fmt.Print("ok")
		return 0
	}
	if group, ok := strings.CutPrefix(path, "/apis/"); ok && !strings.Contains(group, "/") {
		fmt.Printf(`{"preferredVersion":{"groupVersion":"%s/v1"}}`, group)
		return 0
	}
	list, ok := strings.CutSuffix(path, "?limit=1")
	if !ok {
		return complain("fake k3s: path %q", path)
	}
	key := ""
	for _, res := range registry.Served() {
		if res.Path == list {
			key = res.Key
		}
	}
	if part := strings.Split(list, "/"); key == "" && len(part) == 5 {
		key = "registry/" + part[2] + "/" + part[4]
	}
	if mute, err := os.ReadFile(filepath.Join(world, "mute")); err == nil && key == string(mute) {
		return complain("Error from server: conversion webhook for %s failed: connection refused", key)
	}
	n := counts(os.Getenv("DATA"))["/"+key+"/"]
	if lost, err := os.ReadFile(filepath.Join(world, "lost")); err == nil && key == string(lost) {
		n--
	}
	if n == 0 {
		fmt.Print(`{"metadata":{},"items":[]}`)
		return 0
	}
	fmt.Printf(`{"metadata":{"remainingItemCount":%d},"items":[{}]}`, n-1)
	return 0
}

// counts are those of the datastore that is there, by k3s's rule of which it is.
func counts(data string) map[string]int {
	if f, err := os.Open(filepath.Join(data, "server/db/etcd/member/snap/db")); err == nil {
		defer f.Close()
		found, err := etcdsnap.CountDatabase(context.Background(), f)
		if err != nil {
			panic(err)
		}
		return found.Registry
	}
	found, err := kine.Check(context.Background(), filepath.Join(data, "server/db/state.db"))
	if err != nil {
		panic(err)
	}
	return found.Registry
}

func fakeSystemctl(args []string) int {
	world, data := os.Getenv("WORLD"), os.Getenv("DATA")
	running := filepath.Join(world, "running")
	_, err := os.Stat(running)
	switch {
	case len(args) == 1 && args[0] == "daemon-reload":
		return 0
	case len(args) != 2 || args[1] != "k3s":
		return complain("fake systemctl: %q", args)
	case args[0] == "is-active" && err == nil && !fileExists(filepath.Join(world, "stubborn")):
		fmt.Println("active")
		return 0
	case args[0] == "is-active":
		fmt.Println("inactive")
		return 3
	case args[0] == "stop" && fileExists(filepath.Join(world, "stubborn")):
		return 0
	case args[0] == "stop":
		_ = os.Remove(running)
		return 0
	case args[0] != "start":
		return complain("fake systemctl: %q", args)
	}
	server := filepath.Join(data, "server")
	_ = os.MkdirAll(filepath.Join(server, "db"), 0o700)
	_ = os.Remove(filepath.Join(server, "db", "reset-flag"))
	if _, err := os.Stat(filepath.Join(server, "db/etcd")); err != nil {
		if _, err := os.Stat(filepath.Join(server, "db/state.db")); err != nil {
			// As k3s does: without a datastore it begins a new cluster.
			if err := os.WriteFile(filepath.Join(server, "db/state.db"), []byte("a new and empty cluster"), 0o600); err != nil {
				return complain("%v", err)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(server, "tls")); err != nil {
		if err := errors.Join(os.MkdirAll(filepath.Join(server, "tls"), 0o700), os.WriteFile(filepath.Join(server, "tls/server-ca.crt"), []byte("out of the datastore\n"), 0o600)); err != nil {
			return complain("%v", err)
		}
	}
	if err := os.WriteFile(running, nil, 0o600); err != nil {
		return complain("%v", err)
	}
	return 0
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
