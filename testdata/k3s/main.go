// Command k3s stands in for k3s in tests. Its Kubernetes API server, kubectl,
// etcd and kine are the real ones, taken from the modules their projects
// publish; only what k3s adds around them (files, flags, token, bootstrap
// data, snapshots) is imitated, from k3s's public documentation.
//
// The one thing to know: what it does not know it refuses, so a test that
// passes here did not pass because an argument was ignored. README.md in this
// folder lists what is real, what imitates and what is missing.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/sirupsen/logrus"
)

// version is what every part of the executable claims to be; build.sh links
// the same one into Kubernetes' own version package.
const (
	version = "v1.36.3+k3s1"
	commit  = "57a2d112"
)

func main() {
	logrus.SetOutput(os.Stderr)
	args := os.Args[1:]
	if filepath.Base(os.Args[0]) == "kubectl" {
		args = append([]string{"kubectl"}, args...)
	}
	err := run(args)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		logrus.Fatal(err)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("no command given; known: server, etcd-snapshot, kubectl, --version")
	}
	switch args[0] {
	case "--version", "-v":
		if len(args) > 1 {
			return fmt.Errorf("unexpected argument %q after --version", args[1])
		}
		fmt.Printf("k3s version %s (%s)\ngo version %s\n", version, commit, runtime.Version())
		return nil
	case "server":
		return server(args[1:])
	case "etcd-snapshot":
		return etcdSnapshot(args[1:])
	case "kubectl":
		return kubectl(args[1:])
	}
	return fmt.Errorf("no help topic for %q: this stand-in has server, etcd-snapshot, kubectl and --version only", args[0])
}
