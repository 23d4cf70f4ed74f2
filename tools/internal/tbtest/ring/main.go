// Ring holds a Thunderbolt ring of network namespaces for somebody to play
// with, or for a demonstration. It tells how to reach it, and then takes one
// command a line:
//
//	plant KIND NODE[:INTERFACE]
//	heal
//
// and answers each with "done" when spanning tree has settled, or with why not.
// At the end of its input, and however it ends, the ring is gone.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/railiance/railiance/tools/internal/tbtest"
)

func main() {
	nodes := flag.Int("nodes", 3, "how many nodes, 3 to 8")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *nodes); err != nil {
		fmt.Fprintln(os.Stderr, "ring:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, nodes int) error {
	r, err := tbtest.Start(ctx, nodes)
	if err != nil {
		return err
	}
	file := filepath.Join(r.Dir(), "madagascar.json")
	if err := r.WriteContext(file); err != nil {
		return err
	}
	fmt.Printf("export PATH=%s:$PATH CONTEXT=%s\n", r.Bin(), file)
	lines := make(chan string)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			lines <- in.Text()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return r.Close()
		case line, more := <-lines:
			if !more {
				return r.Close()
			}
			if err := obey(ctx, r, strings.Fields(line)); err != nil {
				fmt.Println(err)
			} else {
				fmt.Println("done")
			}
		}
	}
}

func obey(ctx context.Context, r *tbtest.Ring, words []string) error {
	switch {
	case len(words) == 1 && words[0] == "heal":
		if err := r.Heal(ctx); err != nil {
			return err
		}
	case len(words) == 3 && words[0] == "plant":
		node, name, _ := strings.Cut(words[2], ":")
		if err := r.Plant(ctx, tbtest.Fault{Kind: tbtest.Kind(words[1]), End: tbtest.End{Node: node, Interface: name}}); err != nil {
			return err
		}
	default:
		return fmt.Errorf("no such command: plant KIND NODE[:INTERFACE], or heal")
	}
	return r.Settle(ctx)
}
