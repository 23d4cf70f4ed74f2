package tbdeploy

import (
	"embed"
	"fmt"

	"github.com/railiance/railiance/tools/internal/host"
)

//go:embed node/*.sh
var scripts embed.FS

// script is a script for the node, in POSIX sh, with what all begin with.
func script(name string) string {
	var all string
	for _, f := range []string{"prelude", name} {
		text, err := scripts.ReadFile("node/" + f + ".sh")
		if err != nil {
			panic(fmt.Sprintf("tbdeploy: %s is not linked in", f)) // by go:embed it is
		}
		all += string(text)
	}
	return all
}

func command(name string, args ...string) host.Command {
	return host.Command{Args: append([]string{"sh", "-c", script(name), "railiance-" + name}, args...)}
}
