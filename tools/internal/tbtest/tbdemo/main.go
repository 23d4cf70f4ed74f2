// tbdemo tells the story of a Thunderbolt ring on real network namespaces: it is
// well; three things go wrong with it, one after another, and each is diagnosed,
// filed as an issue, mended so that it stays, and closed; a cable that is
// plugged in anew comes back by itself; and a mistake that cuts a node off is
// undone by the node. It fails where the story goes otherwise, and leaves
// nothing behind.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/railiance/railiance/tools/internal/tbtest"
)

func main() {
	bin := flag.String("bin", "", "folder of tb-check and tb-deploy")
	layer := flag.String("layer", "", "the madagascar layer, whose TEMPLATE.md is used")
	dir := flag.String("dir", "", "folder for what the story needs")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	began := time.Now()
	if err := demo(ctx, *bin, *layer, filepath.Join(*dir, "madagascar")); err != nil {
		fmt.Fprintln(os.Stderr, "check-demo:", err)
		os.Exit(1)
	}
	fmt.Printf("\ncheck-demo: all of it happened as told, in %s, and nothing is left\n", time.Since(began).Round(time.Second))
}

type story struct {
	ring  *tbtest.Ring
	bin   string
	layer string
}

func demo(ctx context.Context, bin, layer, dir string) (err error) {
	say("A ring of three nodes: namespaces, bridges with spanning tree, jumbo cables, sshd, udevd, ifupdown2")
	s := &story{bin: bin, layer: dir}
	if err := s.folder(layer); err != nil {
		return err
	}
	if s.ring, err = tbtest.Start(ctx, 3); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, s.ring.Close())
		if _, left := os.Stat(s.ring.Dir()); left == nil {
			err = errors.Join(err, fmt.Errorf("%s is left behind", s.ring.Dir()))
		}
	}()
	if err := s.ring.Live(ctx); err != nil {
		return err
	}
	if err := s.ring.WriteContext(filepath.Join(dir, "cluster-context", "madagascar.json")); err != nil {
		return err
	}
	if err := s.run(ctx, 0, []string{"healthy"}, "tb-check"); err != nil {
		return err
	}
	for i, fault := range []tbtest.Fault{
		{Kind: tbtest.MemberRemoved, End: tbtest.End{Node: "ebony", Interface: "thunderbolt1"}},
		{Kind: tbtest.MTUPinned, End: tbtest.End{Node: "tapia", Interface: "thunderbolt0"}},
		{Kind: tbtest.NoBridge, End: tbtest.End{Node: "baobab"}},
	} {
		if err := s.fault(ctx, i+1, fault); err != nil {
			return err
		}
	}
	say("All of it is in the books")
	if err := s.run(ctx, 0, []string{"ISSUE-%d-003  closed"}, "tb-check", "--issues"); err != nil {
		return err
	}
	if err := s.replug(ctx); err != nil {
		return err
	}
	return s.mistake(ctx)
}

// folder makes the layer's folder, without the real one's context and issues.
func (s *story) folder(layer string) error {
	for _, dir := range []string{"issues", "cluster-context"} {
		if err := os.MkdirAll(filepath.Join(s.layer, dir), 0o755); err != nil {
			return err
		}
	}
	template, err := os.ReadFile(filepath.Join(layer, "issues", "TEMPLATE.md"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.layer, "issues", "TEMPLATE.md"), template, 0o644)
}

// fault is one thing that goes wrong, and how it is put right.
func (s *story) fault(ctx context.Context, number int, f tbtest.Fault) error {
	say("Planted: %s", f)
	if err := s.ring.Plant(ctx, f); err != nil {
		return err
	}
	if err := s.ring.Settle(ctx); err != nil {
		return err
	}
	issue := fmt.Sprintf("ISSUE-%d-%03d", time.Now().UTC().Year(), number)
	what := map[tbtest.Kind]string{
		tbtest.MemberRemoved: "ebony thunderbolt1 is not in vmbr1",
		tbtest.MTUPinned:     "tapia thunderbolt0 has an MTU of 1500 instead of 65520",
		tbtest.NoBridge:      "baobab has no bridge vmbr1",
	}[f.Kind]
	for _, step := range []struct {
		status int
		want   []string
		args   []string
	}{
		{1, []string{what, issue + " is opened"}, []string{"tb-check", "--issue"}},
		{1, []string{"stays open"}, []string{"tb-check", "--close", issue}},
		{0, []string{f.Node + ": confirmed"}, []string{"tb-deploy", f.Node}},
		{0, []string{"healthy", issue + " is closed"}, []string{"tb-check", "--close", issue}},
	} {
		if err := s.run(ctx, step.status, step.want, step.args...); err != nil {
			return err
		}
	}
	return nil
}

// replug takes a cable out and puts it in again.
func (s *story) replug(ctx context.Context) error {
	say("A cable is taken out and plugged in anew: udev and what was deployed bring both ends back into their bridges")
	if err := errors.Join(s.ring.Unplug(ctx, s.ring.Cables[0]), s.ring.Plug(ctx, s.ring.Cables[0])); err != nil {
		return err
	}
	if err := s.ring.Settle(ctx); err != nil {
		return err
	}
	return s.run(ctx, 0, []string{"healthy"}, "tb-check")
}

// mistake deploys a context with a slip of the pen: an address of ebony that is
// the one of whoever deploys, so that the node no longer answers.
func (s *story) mistake(ctx context.Context) error {
	say("A slip in the context cuts ebony off: the node notices that nobody confirms, and undoes it by itself")
	path := filepath.Join(s.layer, "cluster-context", "madagascar.json")
	good, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	ebony := s.ring.Node("ebony")
	ours := ebony.Management.Prev()
	bad := bytes.Replace(good, []byte(`"`+ebony.Address.String()+`/24"`), fmt.Appendf(nil, `["%s/24", "%s/32"]`, ebony.Address, ours), 1)
	if bytes.Equal(good, bad) {
		return errors.New("the context has another form than expected")
	}
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		return err
	}
	if err := s.run(ctx, 1, []string{"+    address " + ours.String(), "has not answered since it was changed", "it was undone, and the node is reached"}, "tb-deploy", "ebony", "--window", "12s"); err != nil {
		return err
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		return err
	}
	if err := s.ring.Settle(ctx); err != nil {
		return err
	}
	return s.run(ctx, 0, []string{"healthy"}, "tb-check")
}

// run runs one of our programs in the layer's folder, shows what it says, and
// holds it against what was expected.
func (s *story) run(ctx context.Context, status int, want []string, args ...string) error {
	fmt.Printf("\n$ %s\n", strings.Join(args, " "))
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, args[0]), args[1:]...)
	cmd.Dir = s.layer
	cmd.Env = append(os.Environ(), "PATH="+s.ring.Bin()+":"+os.Getenv("PATH"))
	both := io.MultiWriter(os.Stdout, &said)
	cmd.Stdout, cmd.Stderr = both, both
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	if got := cmd.ProcessState.ExitCode(); got != status {
		return fmt.Errorf("%s: exit status %d, want %d", strings.Join(args, " "), got, status)
	}
	for _, w := range want {
		if strings.Contains(w, "%d") {
			w = fmt.Sprintf(w, time.Now().UTC().Year())
		}
		if !strings.Contains(said.String(), w) {
			return fmt.Errorf("%s: does not say %q", strings.Join(args, " "), w)
		}
	}
	return nil
}

func say(format string, args ...any) { fmt.Printf("\n== "+format+"\n", args...) }
