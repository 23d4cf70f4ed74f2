// Seals is as much of a backup as it takes to see what package access links.
package main

import (
	"fmt"
	"os"

	"filippo.io/age"

	"github.com/railiance/railiance/tools/internal/access"
)

func main() {
	file, err := access.Find(".")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	r, err := access.ForPath(file, "/x")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	w, err := age.Encrypt(os.Stdout, r.List...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer w.Close()
}
