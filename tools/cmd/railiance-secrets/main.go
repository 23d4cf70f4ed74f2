// railiance-secrets runs a command with the values of sops files in its
// environment. It is a module of its own: sops brings 118 others with it, and
// no other program is to carry them.
package main

import (
	"os"

	"github.com/railiance/railiance/tools/cmd/railiance-secrets/sopsfile"
	"github.com/railiance/railiance/tools/internal/secretscli"
	"github.com/railiance/railiance/tools/internal/shell"
)

func main() {
	os.Exit(shell.Main("railiance-secrets", secretscli.Command(sopsfile.Open)))
}
