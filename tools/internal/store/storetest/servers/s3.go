package servers

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/railiance/railiance/tools/internal/mustrun"
)

// S3 is a running versitygw.
type S3 struct {
	Endpoint  string // https://127.0.0.1:port
	CA        string // file
	AccessKey string
	SecretKey string
	Dir       string // what holds the buckets, as folders

	cert certificate
}

// NewS3 starts a versitygw that testdata/real/build.sh built into the folder
// RAILIANCE_REAL. It knows versions and Object Lock.
func NewS3(t testing.TB) *S3 {
	t.Helper()
	parts := os.Getenv("RAILIANCE_REAL")
	program := filepath.Join(parts, "versitygw")
	if _, err := os.Stat(program); parts == "" || err != nil {
		mustrun.Skip(t, "versitygw in RAILIANCE_REAL, the folder of the parts that testdata/real/build.sh builds")
	}
	cert, port := newCertificate(t), freePort(t)
	s := &S3{
		Endpoint: "https://127.0.0.1:" + port, CA: cert.file, AccessKey: "storetest", SecretKey: "secret-of-storetest",
		Dir: t.TempDir(), cert: cert,
	}
	cmd := exec.Command(program, "--quiet", "--port", "127.0.0.1:"+port, "--cert", cert.file, "--key", cert.key,
		"posix", "--versioning-dir", t.TempDir(), s.Dir)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.AccessKey, "ROOT_SECRET_KEY="+s.SecretKey)
	start(t, cmd, port)
	return s
}

// Harm returns the endpoint of a proxy before the service.
func (s *S3) Harm(t testing.TB, rule Rule) string { return harm(t, s.Endpoint, s.cert, rule) }
