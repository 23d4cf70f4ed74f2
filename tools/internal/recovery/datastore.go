package recovery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/etcdsnap"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/tell"
)

const resetTimeout = time.Hour // a large snapshot on a slow disk

// datastore puts the datastore back and counts what it holds then, before k3s
// starts: afterwards events, leases and k3s's own objects change the numbers.
func (r *Restore) datastore(ctx context.Context, s *staged) error {
	var found catalog.Contents
	var err error
	if r.kind() == asset.KindEtcd {
		found, err = r.resetEtcd(ctx, s)
	} else {
		found, err = r.putStateDB(ctx, s)
	}
	if err != nil {
		return err
	}
	saved, err := oneOf(r.Set, asset.KindEtcd, asset.KindStateDB)
	if err != nil {
		return err
	}
	return missing(saved.Contents, found)
}

// missing says of what the datastore holds less than was saved. It may hold
// more: a reset writes keys of its own.
func missing(saved, found catalog.Contents) error {
	var lacks []string
	for _, name := range slices.Sorted(maps.Keys(saved)) {
		if strings.HasPrefix(name, "registry/") && found[name] < saved[name] {
			lacks = append(lacks, fmt.Sprintf("%s: %d, not %d", name, found[name], saved[name]))
		}
	}
	if len(lacks) > 0 {
		return fmt.Errorf("the restored datastore lacks what was saved: %v", lacks)
	}
	return nil
}

func (r *Restore) resetEtcd(ctx context.Context, s *staged) (catalog.Contents, error) {
	k := r.Layer.K3s
	args := []string{
		"k3s", "server", "--cluster-reset", "--cluster-reset-restore-path=" + s.datastore,
		// With S3 in its configuration k3s would look for the path there.
		"--etcd-s3=false",
		// By file, since every user of the machine can read arguments.
		"--token-file=" + k.Token(),
		"--data-dir=" + k.DataDir,
	}
	if exists(k.Config) {
		args = append(args, "--config="+k.Config)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, resetTimeout, fmt.Errorf("it took longer than %s", resetTimeout))
	defer cancel()
	// Were we killed, a reset that goes on by itself would meet the next one.
	// The signal comes when the thread ends that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := host.Run(ctx, host.Command{Args: args, Group: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}}); err != nil {
		return nil, err
	}
	path := filepath.Join(r.places.db, "etcd", "member", "snap", "db")
	f, err := os.Open(path)
	if err != nil {
		return nil, tell.Hint(fmt.Errorf("k3s reported success, but: %w", err), "k3s.data-dir in layer.yaml must be that of this server")
	}
	defer f.Close()
	found, err := etcdsnap.CountDatabase(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	contents := catalog.Contents{}
	for group, n := range found.Registry {
		contents[strings.Trim(group, "/")] = int64(n)
	}
	return contents, nil
}

// putStateDB renames the database into its place. Its stale log and index went
// into the safety copy: SQLite would replay them into the wrong database.
func (r *Restore) putStateDB(ctx context.Context, s *staged) (_ catalog.Contents, err error) {
	if err := rename(s.datastore, r.Layer.K3s.StateDB()); err != nil {
		return nil, err
	}
	f, err := os.Open(r.Layer.K3s.StateDB())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return asset.Check(ctx, asset.KindStateDB, f)
}
