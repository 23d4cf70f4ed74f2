package etcdsnap

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"
)

const plainName = "etcd-snapshot-k3s-1-1795281633.db.zst"

// recorded returns a snapshot that etcd wrote for a real kube-apiserver.
func recorded(t testing.TB, name string) []byte {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	b, err := d.DecodeAll(packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func expected(t testing.TB, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func file(t testing.TB, b []byte) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "snap")
	if err := os.WriteFile(name, b, 0o400); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// withTrailer makes a snapshot of a bolt database.
func withTrailer(db []byte) []byte {
	sum := sha256.Sum256(db)
	return append(bytes.Clone(db), sum[:]...)
}

// What the server itself counted at the revision of the snapshot, and the value
// of every object.
func TestRecorded(t *testing.T) {
	for _, c := range []struct {
		expected   string
		encrypted  int
		encryption []string
	}{
		{"plain.expected.json", 0, nil},
		{"encrypted.expected.json", 18, []string{"aescbc:v1:aescbckey"}},
	} {
		t.Run(c.expected, func(t *testing.T) {
			var want struct {
				File   string
				Size   int64
				Status struct {
					Revision int64
					TotalKey int
				} `json:"etcdutl_status"`
				Counts map[string]int `json:"counts_by_prefix_etcdctl"`
				Bolt   struct {
					Records int `json:"key_bucket_records"`
				} `json:"bbolt"`
				Keys map[string]struct {
					Revision int64  `json:"mod_revision"`
					Value    string `json:"value_sha256"`
				}
			}
			expected(t, c.expected, &want)
			f := file(t, recorded(t, want.File))
			got, err := Check(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(got.Registry, want.Counts) {
				t.Errorf("registry: got %v\nwant %v", got.Registry, want.Counts)
			}
			got.Registry = nil
			all := Contents{Revision: want.Status.Revision, Keys: want.Status.TotalKey, Records: want.Bolt.Records,
				Size: want.Size, Encrypted: c.encrypted, Encryption: c.encryption}
			if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", all) {
				t.Errorf("got  %+v\nwant %+v", got, all)
			}
			err = Keys(t.Context(), f, func(key string, revision int64, value [32]byte) error {
				w, ok := want.Keys[key]
				// The recording leaves out the hashes of very short values.
				if !ok || w.Revision != revision || w.Value != "" && w.Value != hex.EncodeToString(value[:]) {
					return fmt.Errorf("%s: revision %d, value %x; want %+v", key, revision, value, w)
				}
				delete(want.Keys, key)
				return nil
			})
			if err != nil || len(want.Keys) > 0 {
				t.Errorf("keys: %v; %d are missing", err, len(want.Keys))
			}
		})
	}
}

// Every way in which a snapshot was damaged for the recording, with what etcdutl
// made of it beside: for most it exits 0, or crashes.
func TestDamaged(t *testing.T) {
	plain := recorded(t, plainName)
	flip := func(at int, bit byte) []byte {
		b := bytes.Clone(plain)
		b[at] ^= 1 << bit
		return b
	}
	forged := bytes.Clone(plain[:len(plain)-32])
	copy(forged[224080:], "CONFIG 10 OF APPS")
	variants := map[string]struct {
		b    []byte
		want string
	}{
		"flip-value":   {flip(224083, 0), "does not match its SHA-256"},
		"flip-trailer": {flip(679961, 3), "does not match its SHA-256"},
		"trunc-4k":     {plain[:len(plain)-4096], "does not match its SHA-256"},
		"trunc-half":   {plain[:len(plain)/2], "cut off"},
		"no-trailer":   {plain[:len(plain)-32], "no SHA-256 trailer"},
		"empty":        {nil, "empty"},
		"ten-bytes":    {plain[:10], "too short"},
		// Whoever can write the file can write its trailer. Only the signature
		// of the manifest tells.
		"forged": {withTrailer(forged), ""},
	}
	var recording map[string]struct {
		Sum string `json:"sha256_of_file"`
	}
	expected(t, "damaged.expected.json", &recording)
	if len(recording) != len(variants) {
		t.Errorf("%d variants were recorded, %d are here", len(recording), len(variants))
	}
	good, err := Check(t.Context(), file(t, plain))
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range variants {
		t.Run(name, func(t *testing.T) {
			if sum := sha256.Sum256(v.b); hex.EncodeToString(sum[:]) != recording[name].Sum {
				t.Fatal("this is not the file that was recorded")
			}
			got, err := Check(t.Context(), file(t, v.b))
			if v.want != "" {
				if err == nil || !strings.Contains(err.Error(), v.want) {
					t.Errorf("got %v, want %q", err, v.want)
				}
				return
			}
			if err != nil || fmt.Sprint(got) != fmt.Sprint(good) {
				t.Errorf("got %v, %v; want the counts of the good snapshot", got, err)
			}
		})
	}
}

// The trailer must come out the same however the stream is cut.
func TestTrailerInPieces(t *testing.T) {
	plain := recorded(t, plainName)
	for _, size := range []int{1, 7, 31, 32, 33, 64, 4096, 100_001, len(plain)} {
		trailer := NewTrailer()
		w := struct{ io.Writer }{trailer}
		if _, err := io.CopyBuffer(w, struct{ io.Reader }{bytes.NewReader(plain)}, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if err := trailer.Check(); err != nil || trailer.Size() != int64(len(plain)) {
			t.Errorf("in pieces of %d: %v, size %d", size, err, trailer.Size())
		}
	}
}

// k3s or another reader may hold the file; a check must neither wait for it nor
// move its offset, and the file may have no name.
func TestCountDisturbsNobody(t *testing.T) {
	name := filepath.Join(t.TempDir(), "snap")
	if err := os.WriteFile(name, recorded(t, plainName), 0o600); err != nil {
		t.Fatal(err)
	}
	other, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := syscall.Flock(int(other.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if got, err := Count(t.Context(), f); err != nil || got.Keys != 243 {
		t.Errorf("%d keys, %v", got.Keys, err)
	}
	if at, err := f.Seek(0, io.SeekCurrent); at != 0 || err != nil {
		t.Errorf("offset moved to %d, %v", at, err)
	}
}

func TestKeysEndsWhenToldTo(t *testing.T) {
	enough := errors.New("enough")
	err := Keys(t.Context(), file(t, recorded(t, plainName)), func(string, int64, [32]byte) error { return enough })
	if !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
}
