package pvecli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/clustercontext"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/sites"
	"github.com/railiance/railiance/tools/internal/tell"
)

// secretsProgram is the only executable that reads sops files.
const secretsProgram = "railiance-secrets"

// takenVariable says that the secrets of the sites were taken already, so that
// one which is still missing is not asked for again and again.
const takenVariable = "RAILIANCE_SECRETS_TAKEN"

// takeSecrets starts this program anew under railiance-secrets where the
// environment lacks the credentials of a site and its sops file is there. A
// file that cannot be opened is told: the other sites do without. It returns
// where there is nothing to take.
func (e *estate) takeSecrets(ctx context.Context, all []clustercontext.Store, key bool) error {
	if os.Getenv(takenVariable) != "" {
		return nil
	}
	program := secretsProgram
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), secretsProgram)
		if _, err := os.Stat(beside); err == nil {
			program = beside
		}
	}
	// No other child of ours gets these.
	keys := slices.DeleteFunc(os.Environ(), func(v string) bool { return !strings.HasPrefix(v, "SOPS_AGE_") })
	var files []string
	for _, s := range all {
		if s.Credentials == "" || slices.Contains(files, s.Credentials) {
			continue
		}
		if _, err := sites.Open(s, os.Getenv); !errors.Is(err, sites.ErrNoCredentials) {
			continue // somebody has set them
		}
		if _, err := os.Stat(s.Credentials); err != nil {
			continue // opening the site says what is missing
		}
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		err := host.Run(ctx, host.Command{Args: []string{program, "exec", s.Credentials, "--", "true"}, Env: keys})
		cancel()
		if errors.Is(err, host.ErrNotInstalled) {
			return nil // and how it is called otherwise
		}
		if err != nil {
			e.Tell.Warn(s.Name, "%v", err)
			for _, hint := range tell.Hints(err) {
				e.Tell.Say(s.Name, "%s", hint)
			}
			continue
		}
		files = append(files, s.Credentials)
	}
	if len(files) == 0 {
		return nil
	}
	args := []string{program, "exec"}
	if key {
		args = append(args, "--keep-key")
	}
	args = append(append(append(args, files...), "--"), os.Args...)
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, takenVariable+"=") })
	return host.Become(ctx, args, append(env, takenVariable+"=1"))
}
