package estate

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed workload.yaml
var workload string

//go:embed custom.yaml
var custom string

//go:embed chart
var chart embed.FS

// awkward are values on which a detour through another notation shows:
// integers beyond a float's precision, YAML's other spellings of true and
// null, and text beyond ASCII.
const awkward = `
greeting: "Grüße aus Antananarivo – سلام – 🏝"
big: 9007199254740993
negative: -9223372036854775808
fraction: 0.1
exponent: 1e3
version: "1.10"
norway: "no"
nothing: null
empty: {}
list: [1, two, [3, {four: 4}], []]
"key with spaces": true
"dotted.key": 1
multiline: |
  first
    second

  fourth
password: hunter2
`

// Releases is how many releases Fill installs; one of them is uninstalled
// again with its history kept.
const Releases = 6

// Fill puts objects and releases into a fresh server.
func (s *Server) Fill(ctx context.Context) error {
	if _, err := s.Kubectl(ctx, workload, "apply", "-f", "-"); err != nil {
		return err
	}
	if _, err := s.Kubectl(ctx, "", "wait", "--for=condition=Established", "--timeout=30s",
		"crd/boats.harbour.example", "crd/harbours.harbour.example"); err != nil {
		return err
	}
	if _, err := s.Kubectl(ctx, custom, "apply", "-f", "-"); err != nil {
		return err
	}
	return s.fillReleases(ctx)
}

func (s *Server) fillReleases(ctx context.Context) error {
	dir, err := s.unpackChart()
	if err != nil {
		return err
	}
	values := filepath.Join(s.Scratch, "awkward.yaml")
	if err := os.WriteFile(values, []byte(awkward), 0o600); err != nil {
		return err
	}
	for _, call := range [][]string{
		{s.Helm3, "install", "navidrome", dir, "-n", "media", "-f", values},
		{s.Helm3, "upgrade", "navidrome", dir, "-n", "media", "-f", values, "--set", "replicas=2"},
		{s.Helm3, "install", "plain", dir, "-n", "media"},
		{s.Helm3, "install", "gone", dir, "-n", "apps", "--set", "greeting=bye"},
		{s.Helm3, "uninstall", "gone", "-n", "apps", "--keep-history"},
		{s.Helm4, "install", "four", dir, "-n", "apps", "-f", values},
		{s.Helm4, "install", "navidrome", dir, "-n", "apps", "--set", "greeting=the same name elsewhere"},
		{s.Helm3, "install", "torn", dir, "-n", "apps", "--set", "greeting=good"},
	} {
		if _, err := s.Helm(ctx, call[0], call[1:]...); err != nil {
			return err
		}
	}
	if _, err := s.Helm(ctx, s.Helm3, "upgrade", "torn", dir, "-n", "apps", "--set", "greeting=bad,refused=true"); err == nil {
		return errors.New("the upgrade that must fail did not: the estate has no failed release")
	}
	return nil
}

// unpackChart writes the chart where Helm can read it, once.
func (s *Server) unpackChart() (string, error) {
	dir := filepath.Join(s.Scratch, "chart")
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	sub, err := fs.Sub(chart, "chart")
	if err != nil {
		return "", err
	}
	if err := os.CopyFS(dir, sub); err != nil {
		return "", fmt.Errorf("chart: %w", err)
	}
	return dir, nil
}
