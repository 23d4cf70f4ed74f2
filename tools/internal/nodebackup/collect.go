package nodebackup

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/nodetar"
)

// collection is what is collected of one node.
type collection struct {
	node    string
	version string // of Proxmox VE; empty: not known
	remote  host.Remote
	time    time.Time

	names    nodetar.Names
	out      *tar.Writer
	report   report
	findings []catalog.Finding
	entries  int64 // of config.db; 0: it is not there
	archive  nodetar.Archive
}

// write writes the archive.
func (c *collection) write(ctx context.Context, w io.Writer) error {
	hash := sha256.New()
	c.out = tar.NewWriter(io.MultiWriter(w, hash))
	c.report = report{Format: 1, Node: c.node, Time: c.time, Version: c.version}
	if err := c.text(nodetar.Guide, Guide(c.node)); err != nil {
		return err
	}
	if err := c.files(ctx); err != nil {
		return err
	}
	if missing := c.names.Missing(c.node); missing != "" {
		return fmt.Errorf("%s: did not send /%s, without which there is no backup of a node", c.remote.Target, missing)
	}
	if err := c.commands(ctx); err != nil {
		return err
	}
	account, err := c.report.encode()
	if err != nil {
		return err
	}
	if err := c.text(nodetar.Report, account); err != nil {
		return err
	}
	if err := c.out.Close(); err != nil {
		return err
	}
	c.archive.Members, c.archive.Bytes = c.names.Count()
	c.archive.Digest = hex.EncodeToString(hash.Sum(nil))
	return nil
}

// text adds a file of ours.
func (c *collection) text(name, content string) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Size: int64(len(content)), ModTime: c.time, Format: tar.FormatPAX}
	if err := c.head(h); err != nil {
		return err
	}
	_, err := io.WriteString(c.out, content)
	return err
}

// head adds a member; what is in it is to follow.
func (c *collection) head(h *tar.Header) error {
	if err := c.names.Add(h); err != nil {
		return err
	}
	return c.out.WriteHeader(h)
}

// find notes what somebody should know who never reads the report.
func (c *collection) find(what, why string) {
	c.findings = append(c.findings, catalog.Finding{What: what, Why: why})
}
