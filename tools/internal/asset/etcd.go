package asset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/etcdsnap"
	"github.com/railiance/railiance/tools/internal/tell"
)

// KindEtcd is a snapshot of k3s's embedded etcd, as k3s wrote it.
const KindEtcd = "etcd"

// Etcd takes a fresh snapshot through the running server.
type Etcd struct{ K3s K3s }

// ours are the snapshots that we asked for, on whatever node, zipped or not.
// k3s prunes by a bare prefix, and only on-demand ones are never pruned; these
// are plaintext, so they go as soon as they are sealed.
var ours = regexp.MustCompile(`^railiance-[0-9]{8}T[0-9]{6}Z-.+-[0-9]+(\.zip)?(\.part)?$`)

// Take has k3s write a snapshot and finds it. The exit status alone is no
// proof: k3s was seen to exit 0 without a file.
func (e Etcd) Take(ctx context.Context, at time.Time) (*Dump, error) {
	name := "railiance-" + at.UTC().Format(catalog.TimeLayout)
	version, err := e.K3s.Version(ctx)
	if err != nil {
		return nil, err
	}
	_, err = e.K3s.run(ctx, "etcd-snapshot", "save", "--name", name, "--data-dir", e.K3s.DataDir, "--etcd-s3=false")
	if err != nil {
		return nil, errors.Join(tell.Hint(fmt.Errorf("snapshot: %w", err), "journalctl -u %s says more", e.K3s.Service), e.remove(name))
	}
	path, err := e.find(name)
	if err != nil {
		return nil, errors.Join(err, e.remove(name))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("snapshot: %w", err), e.remove(name))
	}
	return &Dump{
		Asset: "etcd", Kind: KindEtcd, Ext: "snap",
		Write: func(w io.Writer) (Report, error) { return writeSnapshot(ctx, w, f, version) },
		Close: func() error {
			return errors.Join(f.Close(), e.forget(context.WithoutCancel(ctx), path), e.remove(name))
		},
	}, nil
}

func (e Etcd) find(name string) (string, error) {
	files, err := os.ReadDir(e.K3s.Snapshots())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("snapshot: %w", err)
	}
	for _, file := range files {
		if strings.HasPrefix(file.Name(), name+"-") && ours.MatchString(file.Name()) &&
			!strings.HasSuffix(file.Name(), ".part") && file.Type().IsRegular() {
			return filepath.Join(e.K3s.Snapshots(), file.Name()), nil
		}
	}
	return "", tell.Hint(fmt.Errorf("snapshot: k3s reported success, but there is no file %s-* in %s", name, e.K3s.Snapshots()),
		"journalctl -u %s says what became of it; etcd-snapshot-dir must be the default, or k3s.data-dir of layer.yaml is another", e.K3s.Service)
}

// forget has k3s delete the snapshot, so that its own list of snapshots does
// not keep a name without a file. What it does not manage, remove does.
func (e Etcd) forget(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, _ = e.K3s.run(ctx, "etcd-snapshot", "delete", "--data-dir", e.K3s.DataDir, "--etcd-s3=false", filepath.Base(path))
	return nil
}

func (e Etcd) remove(prefix string) error {
	_, err := e.sweep(prefix)
	return err
}

// Sweep removes the snapshots that killed runs of ours left.
func (e Etcd) Sweep(context.Context) ([]string, error) { return e.sweep("railiance-") }

func (e Etcd) sweep(prefix string) ([]string, error) {
	files, err := os.ReadDir(e.K3s.Snapshots())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("remove our snapshots: %w", err)
	}
	var swept []string
	for _, file := range files {
		if !strings.HasPrefix(file.Name(), prefix) || !ours.MatchString(file.Name()) {
			continue
		}
		path := filepath.Join(e.K3s.Snapshots(), file.Name())
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return swept, tell.Hint(fmt.Errorf("remove our snapshot: %w", err), "it is plaintext: remove it by hand")
		}
		swept = append(swept, path)
	}
	return swept, nil
}

// writeSnapshot reads the snapshot once for its seal and its trailer. The pages
// are counted beside that, where they lie plain already; what was counted is
// believed only behind a good trailer.
func writeSnapshot(ctx context.Context, w io.Writer, f *os.File, version string) (Report, error) {
	trailer := etcdsnap.NewTrailer()
	counting := count(ctx, f)
	plain, err := copySnapshot(w, f, trailer)
	found := <-counting
	if err != nil {
		return Report{}, err
	}
	if plain != nil {
		defer plain.Close() // its last descriptor: with it the plaintext goes
	}
	if err := trailer.Check(); err != nil {
		return Report{}, fmt.Errorf("snapshot: %w", err)
	}
	if plain != nil {
		found = <-count(ctx, plain)
	}
	if found.err != nil {
		return Report{}, fmt.Errorf("snapshot: %w", found.err)
	}
	report := Report{
		Source: map[string]string{
			"k3s":        version,
			"datastore":  "etcd",
			"revision":   strconv.FormatInt(found.Revision, 10),
			"encryption": strings.Join(found.Encryption, " "),
		},
		Checks:   []catalog.Check{ok("trailer"), ok("pages")},
		Contents: datastoreContents(found.Keys, found.Bootstrap, found.Registry),
	}
	return report, plausible(report.Contents)
}

type counted struct {
	etcdsnap.Contents
	err error
}

// count counts in a goroutine of its own. A zip is not worth a look.
func count(ctx context.Context, f *os.File) <-chan counted {
	result := make(chan counted, 1)
	if zipped(f) {
		result <- counted{}
		return result
	}
	go func() {
		found, err := etcdsnap.Count(ctx, f)
		result <- counted{found, err}
	}()
	return result
}

func checkEtcd(ctx context.Context, f *os.File) (catalog.Contents, error) {
	found, err := etcdsnap.Check(ctx, f)
	if err != nil {
		return nil, err
	}
	return datastoreContents(found.Keys, found.Bootstrap, found.Registry), nil
}

// datastoreContents are the counts that a drill finds again: live keys, and
// those of every resource.
func datastoreContents(keys, bootstrap int, registry map[string]int) catalog.Contents {
	contents := catalog.Contents{"keys": int64(keys), "bootstrap": int64(bootstrap)}
	for group, n := range registry {
		if strings.HasPrefix(group, "/registry/") {
			contents[strings.Trim(group, "/")] = int64(n)
		}
	}
	return contents
}

// plausible refuses a datastore that no living cluster has.
func plausible(c catalog.Contents) error {
	if c["registry/namespaces"] == 0 {
		return errors.New("it holds no namespace: this is not the datastore of a cluster that runs")
	}
	return nil
}

// Plan says which command takes the snapshot.
func (e Etcd) Plan(ctx context.Context) (string, error) {
	version, err := e.K3s.Version(ctx)
	if err != nil {
		return "", err
	}
	return "etcd: k3s etcd-snapshot save in " + e.K3s.Snapshots() + " (" + version + ")", nil
}
