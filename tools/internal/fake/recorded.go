package fake

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// What real programs wrote, where the packages that read it keep it.
const (
	recordedSnapshot   = "tools/internal/etcdsnap/testdata/etcd-snapshot-k3s-1-1795281633.db.zst"
	recordedEncrypted  = "tools/internal/etcdsnap/testdata/etcd-snapshot-k3s-1-1795281640.db.zst"
	recordedStateDB    = "tools/internal/kine/testdata/state.backup-api.db.zst"
	recordedSecrets    = "tools/internal/helmrelease/testdata/secrets-owner-helm.json.zst"
	recordedConfigMaps = "tools/internal/helmrelease/testdata/configmaps-owner-helm.json"
	recordedKubeconfig = "tools/internal/kubeconfig/testdata/files/good-remote.yaml"
	recordedLayer      = "layers/cluster/layer.yaml"
)

// SnapshotText stands in the recorded snapshot in plaintext, so that a test
// can look for it where no plaintext may be.
const SnapshotText = "config 10 of apps"

// snapshotTextAt is the offset of SnapshotText.
const snapshotTextAt = 224080

// Root is the folder of the module, from anywhere within it.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, recordedLayer)); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("fake: no folder above has a " + recordedLayer)
		}
	}
}

// recorded reads a file of the module, decompressed.
func recorded(name string) ([]byte, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil || filepath.Ext(name) != ".zst" {
		return b, err
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.DecodeAll(b, nil)
}

// Damages are the ways in which a snapshot was damaged for the recordings, each
// with what etcdutl made of it there.
func Damages() []string {
	return []string{"flip-value", "flip-trailer", "trunc-4k", "trunc-half", "no-trailer", "empty", "ten-bytes", "forged"}
}

// Damage is the snapshot b, damaged in that way.
func Damage(b []byte, how string) ([]byte, error) {
	b = bytes.Clone(b)
	switch how {
	case "flip-value":
		b[snapshotTextAt+3] ^= 1
	case "flip-trailer":
		b[len(b)-7] ^= 1 << 3
	case "trunc-4k":
		b = b[:len(b)-4096]
	case "trunc-half":
		b = b[:len(b)/2]
	case "no-trailer":
		b = b[:len(b)-sha256.Size]
	case "empty":
		b = nil
	case "ten-bytes":
		b = b[:10]
	case "forged":
		copy(b[snapshotTextAt:], bytes.ToUpper([]byte(SnapshotText)))
		sum := sha256.Sum256(b[:len(b)-sha256.Size])
		copy(b[len(b)-sha256.Size:], sum[:])
	default:
		return nil, fmt.Errorf("fake: no damage is called %q", how)
	}
	return b, nil
}
