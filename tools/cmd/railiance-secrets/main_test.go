package main

import (
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"

	"github.com/railiance/railiance/tools/cmd/railiance-secrets/sealed"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"railiance-secrets": main,
		"seal":              seal,
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir+"/home")
			env.Setenv("CANARY", "c4n4ry") // part of every secret in the scripts
			return os.Mkdir(env.WorkDir+"/home", 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// keypair age|age-pq|ssh FILE
			"keypair": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) != 2 {
					ts.Fatalf("usage: keypair age|age-pq|ssh FILE")
				}
				ts.Check(keypair(ts.MkAbs(args[1]), args[0]))
			},
		},
	})
}

// seal FILE RECIPIENT-FILE... encrypts a file in place, as `sops encrypt -i`.
func seal() {
	check := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	var to []string
	for _, file := range os.Args[2:] {
		recipient, err := os.ReadFile(file)
		check(err)
		to = append(to, strings.TrimSpace(string(recipient)))
	}
	plain, err := os.ReadFile(os.Args[1])
	check(err)
	cipher, err := sealed.File(os.Args[1], plain, to, nil)
	check(err)
	check(os.WriteFile(os.Args[1], cipher, 0o644))
}

// keypair writes a private key to path, and its public one beside it.
func keypair(path, kind string) error {
	var private, public string
	switch kind {
	case "age":
		id, err := age.GenerateX25519Identity()
		if err != nil {
			return err
		}
		private, public = id.String(), id.Recipient().String()
	case "age-pq":
		id, err := age.GenerateHybridIdentity()
		if err != nil {
			return err
		}
		private, public = id.String(), id.Recipient().String()
	case "ssh":
		pub, priv, err := ed25519.GenerateKey(nil)
		if err != nil {
			return err
		}
		block, err := ssh.MarshalPrivateKey(priv, "root@baobab")
		if err != nil {
			return err
		}
		key, err := ssh.NewPublicKey(pub)
		if err != nil {
			return err
		}
		private, public = string(pem.EncodeToMemory(block)), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))+" root@baobab"
	default:
		return fmt.Errorf("no such kind: %s", kind)
	}
	return errors.Join(os.WriteFile(path, []byte(private+"\n"), 0o600), os.WriteFile(path+".pub", []byte(public+"\n"), 0o644))
}
