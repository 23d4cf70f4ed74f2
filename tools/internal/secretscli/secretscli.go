// Package secretscli is the command line of railiance-secrets, which runs a
// command with the values of sops files in its environment.
//
// The one thing to know: it does not read sops files itself. Main hands the
// reader in, so that sops, which is larger than all the rest, stays out of this
// module. No value is ever part of an error, a warning or a result.
package secretscli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/access/identity"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/shell"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Open returns the values of a sops file by their names, decrypted with any of
// the keys and authenticated. Its errors name the file and quote no value. A
// *shell.Usage is one of how the file is set up.
type Open func(file string, with []age.Identity) (map[string]string, error)

// Command is the verbs.
func Command(open Open) func(*shell.Shell) *cobra.Command {
	return func(sh *shell.Shell) *cobra.Command {
		root := &cobra.Command{
			Short: "Run a command with the secrets of sops files in its environment",
			Long: `Runs a command with the values of sops-encrypted files (.yaml, .json, .env) in
its environment: nowhere else do they appear, neither on a command line nor on
disk nor in a message.

The private key that opens them has to be on the machine. On one that makes
backups it must not be the key of the backups, which is to stay elsewhere: keep
what such a machine needs, the credentials of its stores, in a sops file of its
own, encrypted to a key of this machine alone. Its ssh host key will do:

    recipient: the line of /etc/ssh/ssh_host_ed25519_key.pub
    here:      SOPS_AGE_SSH_PRIVATE_KEY_FILE=/etc/ssh/ssh_host_ed25519_key

Then the machine reads its credentials, and still cannot read a backup.`,
		}
		root.AddCommand(execute(sh, open), check(sh, open))
		return root
	}
}

func execute(sh *shell.Shell, open Open) *cobra.Command {
	var override, keepKey bool
	cmd := &cobra.Command{
		Use:   "exec FILE... -- COMMAND [ARG...]",
		Short: "Run a command with the values of the files in its environment",
		Long: `Every value at the top of the files, be it text, a number or true or false,
becomes a variable of its name as it is written there. COMMAND then takes the
place of this program: signals, terminal and exit status are its own. Digits
without quotes are a number to YAML, and 007 is 7: quote them, or use .env files,
where all is text and quotes would be part of it.

Refused are: nested values, names that no shell could use, names that decide
which program runs (PATH, LD_PRELOAD and the like), a name in two files, and a
name that the environment has already. COMMAND does not get the variables that
name or hold private keys (SOPS_AGE_…), and creates files for its user alone
(umask 077).

Exit status: that of COMMAND; if it did not come to run, 1 a file could not be
opened, 2 usage or configuration.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			at := cmd.ArgsLenAtDash()
			if at < 1 || at == len(args) {
				return &shell.Usage{Err: tell.Hint(errors.New("which files, and which command?"),
					"%s exec FILE... -- COMMAND [ARG...]", sh.Program)}
			}
			values, err := read(cmd.Context(), sh, open, args[:at])
			if err != nil {
				return err
			}
			env, err := environment(os.Environ(), values, rules{override: override, keepKey: keepKey})
			if err != nil {
				return &shell.Usage{Err: err}
			}
			err = host.Become(cmd.Context(), args[at:], env)
			if errors.Is(err, context.Canceled) {
				return err
			}
			return &shell.Usage{Err: err}
		},
	}
	cmd.Flags().BoolVar(&override, "override", false, "a value takes the place of a variable that the environment has already")
	cmd.Flags().BoolVar(&keepKey, "keep-key", false, "COMMAND gets SOPS_AGE_… too: for restores, which need the private key")
	return cmd
}

// Variable is one line of what check says.
type Variable struct {
	Format   int    `json:"format"`
	File     string `json:"file"`
	Variable string `json:"variable"`
}

func check(sh *shell.Shell, open Open) *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE...",
		Short: "Open the files as exec would, and list the variables without their values",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &shell.Usage{Err: tell.Hint(errors.New("which files?"), "%s check FILE...", sh.Program)}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, files []string) error {
			values, err := read(cmd.Context(), sh, open, files)
			if err != nil {
				return err
			}
			// What the environment holds here says nothing of where exec will run.
			if _, err := environment(nil, values, rules{}); err != nil {
				return &shell.Usage{Err: err}
			}
			for _, v := range values {
				err := sh.Print(Variable{1, v.file, v.name}, func(w io.Writer) { fmt.Fprintln(w, v.name) })
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// read opens all files with the keys that are at hand.
func read(ctx context.Context, sh *shell.Shell, open Open, files []string) ([]value, error) {
	found, err := identity.Load(os.Getenv, shell.Home(), func(command string) ([]byte, error) {
		return host.Output(ctx, host.Command{Args: []string{"sh", "-c", command}}, keyLimit)
	})
	for _, warning := range found.Warnings {
		sh.Tell.Warn("", "%s", warning)
	}
	if err != nil {
		return nil, tell.Hint(err, "a host whose file is encrypted to its ssh host key: SOPS_AGE_SSH_PRIVATE_KEY_FILE=/etc/ssh/ssh_host_ed25519_key")
	}
	var all []value
	for _, file := range files {
		of, err := open(file, found.Identities)
		if err != nil {
			return nil, err
		}
		if len(of) == 0 {
			return nil, &shell.Usage{Err: fmt.Errorf("%s: it holds no value", host.Printable(file))}
		}
		all = append(all, sorted(file, of)...)
	}
	for _, v := range all {
		if v.quoted() {
			sh.Tell.Warn("", "%s: %s: the quotes around it are part of the value: sops takes dotenv files literally", host.Printable(v.file), printable(v.name))
		}
	}
	return all, nil
}

const keyLimit = 1 << 20 // bytes that a command may print as a key
