package layercli

import (
	"context"
	"os"

	"filippo.io/age"

	"github.com/railiance/railiance/tools/internal/access/identity"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/tell"
)

const keyLimit = 1 << 20 // bytes that a command may print as a key

// Keys finds the private keys where sops would.
func Keys(ctx context.Context, sh *plugin.Shell) ([]age.Identity, error) {
	found, err := identity.Load(os.Getenv, plugin.Home(), func(command string) ([]byte, error) {
		return host.Output(ctx, host.Command{Args: []string{"sh", "-c", command}}, keyLimit)
	})
	for _, warning := range found.Warnings {
		sh.Tell.Warn("", "%s", warning)
	}
	if err != nil {
		return nil, tell.Hint(err, "bring the private key that is kept off this server: name its file by SOPS_AGE_KEY_FILE")
	}
	return found.Identities, nil
}
