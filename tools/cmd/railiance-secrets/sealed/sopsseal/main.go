// Command sopsseal makes a sops file of what it reads, for demonstrations on
// machines that have no sops:
//
//	sopsseal FILE RECIPIENT… <PLAIN
//
// The name of the file says by its ending which kind it is.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/railiance/railiance/tools/cmd/railiance-secrets/sealed"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sopsseal:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("want FILE RECIPIENT…")
	}
	plain, err := io.ReadAll(io.LimitReader(os.Stdin, 1<<20))
	if err != nil {
		return err
	}
	b, err := sealed.File(args[0], plain, args[1:], nil)
	if err != nil {
		return err
	}
	return os.WriteFile(args[0], b, 0o600)
}
