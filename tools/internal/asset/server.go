package asset

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/seal"
	"github.com/railiance/railiance/tools/internal/tell"
)

// KindServer is a gzipped tar of what a k3s server needs beside its datastore.
const KindServer = "k3s-server"

// Server keeps what a restore on blank hardware needs beside the datastore:
// above all the server token, without which the datastore does not open.
type Server struct {
	nothing
	Name string
	K3s  K3s
}

// The members of the tar, whatever the paths on the server are.
const (
	MemberVersion    = "k3s-version"
	MemberToken      = "server/token"
	MemberConfig     = "etc/config.yaml"
	MemberConfigDir  = "etc/config.yaml.d"
	MemberRegistries = "etc/registries.yaml"
	MemberEncryption = "server/cred/encryption-config.json"
	MemberPassword   = "node/password"
	memberUnits      = "unit"
	memberUnitFiles  = "unit-files"
)

// UnitMember is the member for a file that says how k3s is started: by its last
// name for the unit itself, by its whole path for what the unit leads to, where
// two may have one name.
func (k K3s) UnitMember(file string) string {
	if slices.Contains(k.Units, file) {
		return memberUnits + "/" + filepath.Base(file)
	}
	return memberUnitFiles + filepath.ToSlash(file)
}

// UnitPath is where the file of such a member belongs; "" for another member.
func (k K3s) UnitPath(member string) string {
	for _, unit := range k.Units {
		if k.UnitMember(unit) == member {
			return unit
		}
	}
	if file, ok := strings.CutPrefix(member, memberUnitFiles); ok && filepath.IsAbs(file) {
		return file
	}
	return ""
}

// CountEncryption counts, in the contents of a k3s-server dump, the key with
// which the API server encrypts Secrets: 1, or absent.
const CountEncryption = "encryption configuration"

// Bounds of one tar: a server has some hundred small files.
const (
	serverFiles    = 10_000
	serverFileSize = 16 << 20 // bytes
)

// source is a file or folder of the server and where it goes in the tar.
type source struct {
	path, member string
	why          string // what a restore lacks without it; empty: often absent
	must         bool
}

func (s Server) sources() ([]source, error) {
	server := filepath.Join(s.K3s.DataDir, "server")
	sources := []source{
		{path: s.K3s.Token(), member: MemberToken, must: true,
			why: "without the token of its time no restore opens the cluster's certificates and keys"},
		{path: s.K3s.Config, member: MemberConfig},
		{path: s.K3s.Config + ".d", member: MemberConfigDir},
		{path: s.K3s.Registries, member: MemberRegistries},
		{path: filepath.Join(server, "agent-token"), member: "server/agent-token"},
		{path: s.K3s.NodePassword, member: MemberPassword},
		{path: filepath.Join(server, "cred"), member: "server/cred",
			why: "the encryption configuration and the passwords of the node"},
		{path: filepath.Join(server, "tls"), member: "server/tls",
			why: "the certificate authorities; custom ones exist nowhere else"},
		{path: filepath.Join(server, "manifests"), member: "server/manifests"},
	}
	units, err := s.K3s.unitFiles()
	if err != nil {
		return nil, err
	}
	for _, u := range units {
		sources = append(sources, source{path: u.path, member: s.K3s.UnitMember(u.path)})
	}
	return sources, nil
}

// Take checks that the token is there; the files are read by Write.
func (s Server) Take(ctx context.Context, at time.Time) (*Dump, error) {
	version, err := s.K3s.Version(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.token(); err != nil {
		return nil, err
	}
	return &Dump{
		Asset: s.Name, Kind: KindServer, Ext: "tar.gz",
		Write: func(w io.Writer) (Report, error) { return s.write(ctx, w, version, at) },
		Close: done,
	}, nil
}

func (s Server) token() error {
	b, err := readSmall(s.K3s.Token(), 4<<10)
	if err == nil && len(strings.TrimSpace(string(b))) == 0 {
		err = fmt.Errorf("%s: empty", s.K3s.Token())
	}
	if err != nil {
		return tell.Hint(fmt.Errorf("server token: %w", err),
			"k3s writes it when it starts; without it no restore opens the cluster's certificates and keys")
	}
	return nil
}

func (s Server) write(ctx context.Context, w io.Writer, version string, at time.Time) (Report, error) {
	var findings []catalog.Finding
	var found catalog.Contents
	stream := seal.Stream(func(w io.Writer) error {
		t := &packer{ctx: ctx, tar: tar.NewWriter(w), at: at}
		if err := t.add(MemberVersion, []byte(version+"\n")); err != nil {
			return err
		}
		sources, err := s.sources()
		if err != nil {
			return err
		}
		for _, src := range sources {
			err := t.tree(src.path, src.member)
			switch {
			case err == nil:
			case errors.Is(err, fs.ErrNotExist) && !src.must:
				if src.why != "" {
					findings = append(findings, catalog.Finding{Asset: s.Name, What: src.path + " is not there", Why: src.why})
				}
			default:
				return fmt.Errorf("%s: %w", src.member, err)
			}
		}
		for _, link := range t.links {
			findings = append(findings, catalog.Finding{Asset: s.Name, What: link + " leads to no file and was left out",
				Why: "what it leads to is not in the backup"})
		}
		return t.tar.Close()
	})
	err := stream.Checked(func(r io.Reader) (err error) {
		found, err = readServer(r, nil)
		return err
	}).Gzipped()(w)
	if err != nil {
		return Report{}, err
	}
	return Report{
		Source:   map[string]string{"k3s": version},
		Checks:   []catalog.Check{ok("tar"), ok("token")},
		Contents: found,
		Findings: findings,
	}, nil
}

// Plan says what is there to be packed.
func (s Server) Plan(context.Context) (string, error) {
	if err := s.token(); err != nil {
		return "", err
	}
	var there []string
	sources, err := s.sources()
	if err != nil {
		return "", err
	}
	for _, src := range sources {
		if _, err := os.Stat(src.path); err == nil {
			there = append(there, src.path)
		}
	}
	return s.Name + ": pack " + strings.Join(there, " "), nil
}

func checkServer(_ context.Context, f *os.File) (catalog.Contents, error) { return ReadServer(f, nil) }

// ReadServer reads a decrypted k3s-server dump to its end, checks it and gives
// every member to visit, which may be nil.
func ReadServer(f io.Reader, visit func(member string, content []byte) error) (catalog.Contents, error) {
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	return readServer(z, visit)
}

func readServer(r io.Reader, visit func(string, []byte) error) (catalog.Contents, error) {
	contents := catalog.Contents{}
	token := false
	seen := map[string]bool{}
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("tar: %w", err)
		}
		if err := checkMember(h); err != nil {
			return nil, err
		}
		if seen[h.Name] || len(seen) == serverFiles {
			return nil, fmt.Errorf("tar: %q stands there twice, or it has more than %d members", h.Name, serverFiles)
		}
		seen[h.Name] = true
		b, err := io.ReadAll(t)
		if err != nil {
			return nil, fmt.Errorf("tar: %s: %w", h.Name, err)
		}
		top, _, _ := strings.Cut(h.Name, "/")
		contents["files "+top]++
		if h.Name == MemberEncryption {
			contents[CountEncryption] = 1
		}
		token = token || h.Name == MemberToken && len(strings.TrimSpace(string(b))) > 0
		if visit != nil {
			if err := visit(h.Name, b); err != nil {
				return nil, err
			}
		}
	}
	// A tar that was cut between two members ends well for archive/tar.
	if _, err := io.Copy(io.Discard, r); err != nil {
		return nil, fmt.Errorf("tar: %w", err)
	}
	if !token {
		return nil, errors.New("it holds no server token")
	}
	contents["files"] = int64(len(seen))
	return contents, nil
}

// checkMember refuses what a tar of ours never has.
func checkMember(h *tar.Header) error {
	switch {
	case h.Typeflag != tar.TypeReg:
		return fmt.Errorf("tar: %q is not a regular file", h.Name)
	case !fs.ValidPath(h.Name) || h.Name == "." || strings.ContainsAny(h.Name, "\\\x00"):
		return fmt.Errorf("tar: %q is not a name that we write", h.Name)
	case h.Size > serverFileSize:
		return fmt.Errorf("tar: %q has %d bytes", h.Name, h.Size)
	}
	return nil
}
