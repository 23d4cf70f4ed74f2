// Package estate is a small estate to lose: it fills a k3s server with objects
// and Helm releases of every awkward sort, and takes an inventory of all that is
// there, so that a test or the demo can say after a disaster what came back.
//
// The one thing to know: it asks the API server through kubectl and Helm alone
// and shares no code with what it judges.
package estate

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Server is a k3s server on this machine, and the programs that talk to it.
type Server struct {
	K3s        string   // the executable
	Helm3      string   // the executable
	Helm4      string   // the executable
	Kubeconfig string   // the administrator's
	Scratch    string   // a folder for Helm's caches and the chart
	Env        []string // KEY=value, on top of the environment
}

// Kubectl runs one kubectl command with stdin and returns what it printed.
func (s *Server) Kubectl(ctx context.Context, stdin string, args ...string) ([]byte, error) {
	return s.run(ctx, stdin, append([]string{s.K3s, "kubectl"}, args...))
}

// Helm runs one command of the given helm.
func (s *Server) Helm(ctx context.Context, helm string, args ...string) ([]byte, error) {
	return s.run(ctx, "", append([]string{helm}, args...))
}

// callLimit ends what hangs: Helm does where Secrets cannot be decrypted.
const callLimit = 2 * time.Minute

func (s *Server) run(ctx context.Context, stdin string, args []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Env = append(os.Environ(), s.Env...)
	cmd.Env = append(cmd.Env, "KUBECONFIG="+s.Kubeconfig,
		"HELM_CACHE_HOME="+s.Scratch+"/helm/cache", "HELM_CONFIG_HOME="+s.Scratch+"/helm/config", "HELM_DATA_HOME="+s.Scratch+"/helm/data")
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if stdin != "" {
		cmd.Stdin = strings.NewReader(stdin)
	}
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(complaints.String()))
	}
	return out.Bytes(), nil
}

// Ready waits until the server answers and has made its first service account,
// which is the last thing that a new namespace gets.
func (s *Server) Ready(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		_, err := s.Kubectl(ctx, "", "get", "--raw", "/readyz")
		if err == nil {
			if _, err = s.Kubectl(ctx, "", "-n", "default", "get", "serviceaccount", "default"); err == nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server is not ready after %s: %w", limit, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
