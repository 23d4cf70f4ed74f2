package tools_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/railiance/railiance/tools/internal/mustrun"
)

// TestMake holds the targets of every layer to what layers/README.md promises,
// with executables and a compiler that only tell how they were called.
func TestMake(t *testing.T) {
	mustrun.Command(t, "make")
	repo, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/make",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			// A clone whose path has a space in it.
			clone := filepath.Join(env.WorkDir, "a clone")
			for _, file := range []string{"Makefile", "layers/common.mk", "layers/layer.mk", "layers/cluster/Makefile", "layers/madagascar/Makefile"} {
				b, err := os.ReadFile(filepath.Join(repo, file))
				if err != nil {
					return err
				}
				to := filepath.Join(clone, file)
				if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
					return err
				}
				if err := os.WriteFile(to, b, 0o644); err != nil {
					return err
				}
			}
			for _, dir := range []string{"backup-s2", "restore-s2"} {
				if err := os.MkdirAll(filepath.Join(clone, "tools/cmd/railiance-"+dir), 0o755); err != nil {
					return err
				}
			}
			for _, file := range []string{"go.mod", "go.sum", "tools/cmd/railiance-backup-s2/main.go"} {
				if err := os.WriteFile(filepath.Join(clone, file), nil, 0o644); err != nil {
					return err
				}
			}
			bin := filepath.Join(env.WorkDir, "bin")
			env.Setenv("CLONE", clone)
			env.Setenv("PATH", bin+":"+env.Getenv("PATH"))
			env.Setenv("MAKEFLAGS", "") // those of `make test`
			return os.MkdirAll(bin, 0o755)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"program": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) != 2 {
					ts.Fatalf("usage: program PATH SCRIPT-FILE")
				}
				path := ts.MkAbs(args[0])
				ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
				ts.Check(os.WriteFile(path, []byte(ts.ReadFile(args[1])), 0o755))
			},
		},
	})
}
