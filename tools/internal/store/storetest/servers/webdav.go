package servers

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/railiance/railiance/tools/internal/mustrun"
)

// WebDAV is a running Apache with mod_dav, at the path where Nextcloud has it.
type WebDAV struct {
	URL      string // https://127.0.0.1:port/remote.php/dav/files/backup: a folder that is there
	CA       string // file
	User     string
	Password string
	Dir      string // the folder of URL on disk

	server string
	cert   certificate
}

const files = "/remote.php/dav/files"

// NewWebDAV starts the Apache of the package apache2-bin.
func NewWebDAV(t testing.TB) *WebDAV {
	t.Helper()
	modules := "/usr/lib/apache2/modules"
	if _, err := os.Stat(filepath.Join(modules, "mod_dav.so")); err != nil {
		mustrun.Skip(t, "mod_dav of apache2-bin")
	}
	program, err := exec.LookPath("apache2")
	if err != nil {
		program = "/usr/sbin/apache2" // where an ordinary user's PATH does not lead
	}
	cert, port, root := newCertificate(t), freePort(t), t.TempDir()
	w := &WebDAV{
		server: "https://127.0.0.1:" + port, CA: cert.file, User: "backup", Password: "password-of-storetest",
		Dir: filepath.Join(root, "files", "backup"), cert: cert,
	}
	w.URL = w.server + files + "/backup"
	locks := filepath.Join(root, "locks")
	for _, dir := range []string{w.Dir, filepath.Dir(w.Dir), locks} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() == 0 {
		// Apache gives up being root, and must be able to write all the same.
		for _, dir := range []string{w.Dir, filepath.Dir(w.Dir), locks} {
			if err := os.Chmod(dir, 0o777); err != nil {
				t.Fatal(err)
			}
		}
		for dir := root; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	// A connection that was opened and not used yet holds a thread until the
	// Timeout: there are more of those than the sites of a test open together.
	sum := sha1.Sum([]byte(w.Password)) // what htpasswd -s writes
	conf := fmt.Sprintf(`ServerName localhost
ServerRoot %[1]s
PidFile %[1]s/pid
ErrorLog %[1]s/error.log
Listen 127.0.0.1:%[2]s
User www-data
Group www-data
LoadModule mpm_event_module %[3]s/mod_mpm_event.so
LoadModule authn_core_module %[3]s/mod_authn_core.so
LoadModule authn_file_module %[3]s/mod_authn_file.so
LoadModule authz_core_module %[3]s/mod_authz_core.so
LoadModule authz_user_module %[3]s/mod_authz_user.so
LoadModule auth_basic_module %[3]s/mod_auth_basic.so
LoadModule alias_module %[3]s/mod_alias.so
LoadModule ssl_module %[3]s/mod_ssl.so
LoadModule dav_module %[3]s/mod_dav.so
LoadModule dav_fs_module %[3]s/mod_dav_fs.so
DavLockDB %[1]s/locks/db
SSLEngine on
SSLCertificateFile %[4]s
SSLCertificateKeyFile %[5]s
SSLSessionCache none
StartServers 1
ThreadsPerChild 64
MaxRequestWorkers 64
ServerLimit 1
Timeout 30
KeepAliveTimeout 1
Alias %[6]s %[1]s/files
<Directory %[1]s/files>
  Dav On
  AuthType Basic
  AuthName storetest
  AuthUserFile %[1]s/passwords
  Require valid-user
</Directory>
`, root, port, modules, cert.file, cert.key, files)
	for name, text := range map[string]string{"conf": conf, "passwords": fmt.Sprintf("%s:{SHA}%s\n", w.User, base64.StdEncoding.EncodeToString(sum[:]))} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	start(t, exec.Command(program, "-f", filepath.Join(root, "conf"), "-DFOREGROUND"), port)
	return w
}

// Harm returns the URL of a proxy before the folder.
func (w *WebDAV) Harm(t testing.TB, rule Rule) string {
	return harm(t, w.server, w.cert, rule) + files + "/backup"
}
