package kubeconfig

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// recordedAt is when the real programs gave their verdicts.
var recordedAt = time.Date(2026, 11, 21, 17, 30, 0, 0, time.UTC)

const month = 30 * 24 * time.Hour

// recordings is each recorded file with our verdict: why Parse refuses it, or
// the findings as "severity check".
var recordings = map[string]struct {
	refused  string
	findings []string
}{
	"bad-token.yaml":                    {findings: []string{"warning server-loopback", "warning token"}},
	"binary-garbage.yaml":               {refused: "kubeconfig: not YAML"},
	"broken-ca-der.yaml":                {findings: []string{"warning server-loopback", "error ca-unreadable"}},
	"broken-ca-empty.yaml":              {findings: []string{"warning server-loopback", "error ca-empty"}},
	"broken-ca-not-base64.yaml":         {refused: "line 4: a value that has to be base64 is not"},
	"broken-ca-not-pem.yaml":            {findings: []string{"warning server-loopback", "error ca-unreadable"}},
	"client-cert-until-2027-01-01.yaml": {findings: []string{"warning server-loopback"}},
	"empty.yaml":                        {refused: "it is empty"},
	"expired-client-cert.yaml":          {findings: []string{"warning server-loopback", "error client-cert-expired"}},
	"file-references.yaml": {findings: []string{"warning server-loopback", "warning file-reference",
		"warning file-reference", "warning file-reference"}},
	"forbidden-viewer.yaml":          {findings: []string{"warning server-loopback"}},
	"foreign-client-ca.yaml":         {findings: []string{"warning server-loopback", "warning mixed-installations"}},
	"good-remote.yaml":               {},
	"insecure-skip-tls-verify.yaml":  {findings: []string{"warning server-loopback", "warning insecure-skip-tls-verify"}},
	"k3s-default-loopback.yaml":      {findings: []string{"warning server-loopback"}},
	"key-mismatch.yaml":              {findings: []string{"warning server-loopback", "error key-mismatch"}},
	"name-not-in-san.yaml":           {findings: []string{"warning server-loopback"}},
	"no-current-context.yaml":        {findings: []string{"error no-current-context", "warning server-loopback"}},
	"not-a-kubeconfig.yaml":          {refused: "it is not a kubeconfig"},
	"not-yet-valid-client-cert.yaml": {findings: []string{"warning server-loopback", "error client-cert-not-yet-valid"}},
	"truncated-half.yaml":            {refused: "line 17: a value that has to be base64 is not: the file may be torn"},
	"unknown-current-context.yaml":   {findings: []string{"error unknown-current-context", "warning server-loopback"}},
	"unresolvable-host.yaml":         {findings: []string{"error server-unusable"}},
	"wrong-ca.yaml":                  {findings: []string{"warning server-loopback", "warning mixed-installations"}},
	"wrong-port.yaml":                {findings: []string{"warning server-loopback"}},
}

func recorded(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata/files", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type verdict struct {
	Server     string
	ClientCert struct {
		NotAfter time.Time `json:"not_after"`
	} `json:"client_cert"`
	Real map[string]struct{ RC int } `json:"real_verdict"`
}

func verdicts(t *testing.T) map[string]verdict {
	t.Helper()
	b, err := os.ReadFile("testdata/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]verdict
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if len(v) != len(recordings) {
		t.Fatalf("%d files recorded, %d in the table", len(v), len(recordings))
	}
	return v
}

func TestRecordings(t *testing.T) {
	for name, real := range verdicts(t) {
		t.Run(name, func(t *testing.T) {
			want, ok := recordings[name]
			if !ok {
				t.Fatal("not in the table")
			}
			works := real.Real["kubectl-readyz"].RC == 0
			c, err := Parse(recorded(t, name))
			if want.refused != "" {
				if err == nil || !strings.Contains(err.Error(), want.refused) {
					t.Errorf("error %v, want %q", err, want.refused)
				}
				if works {
					t.Error("refused, and the real kubectl works with it")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range c.Findings(recordedAt, month) {
				got = append(got, string(f.Severity)+" "+f.Check)
				if f.Severity == Error && works {
					t.Errorf("an error, and the real kubectl works with it: %s", f)
				}
			}
			if !slices.Equal(got, want.findings) {
				t.Errorf("findings\n got %q\nwant %q", got, want.findings)
			}
			if s := c.Contents(); name != "unknown-current-context.yaml" &&
				(s.Server != real.Server || !s.CertNotAfter.Equal(real.ClientCert.NotAfter)) {
				t.Errorf("contents %+v, want server %s and %s", s, real.Server, real.ClientCert.NotAfter)
			}
		})
	}
}

func TestCertificateOverTime(t *testing.T) {
	c, err := Parse(recorded(t, "client-cert-until-2027-01-01.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ now, want string }{
		{"2025-12-31T23:59:59Z", "client-cert-not-yet-valid: not valid before 2026-01-01"},
		{"2026-01-01T00:00:00Z", ""},
		{"2026-12-01T23:00:00Z", ""},
		{"2026-12-02T01:00:00Z", "client-cert-expires-soon: expires on 2027-01-01, in 29 days"},
		{"2026-12-31T23:00:00Z", "client-cert-expires-soon: expires on 2027-01-01, in 0 days"},
		{"2027-01-01T00:00:01Z", "client-cert-expired: expired on 2027-01-01"},
		{"2045-06-01T00:00:00Z", "ca-expired: expired on 2045-01-01 client-cert-expired: expired on 2027-01-01"},
	} {
		now, err := time.Parse(time.RFC3339, tt.now)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range c.Findings(now, month) {
			if f.Check != "server-loopback" {
				got = append(got, f.Check+": "+f.What)
			}
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s: got %q, want %q", tt.now, s, tt.want)
		}
	}
}

// shape is a kubeconfig with the given server and user.
func shape(server, user string) string {
	return "apiVersion: v1\nkind: Config\ncurrent-context: c\n" +
		"clusters: [{name: k, cluster: {server: " + strconv.Quote(server) + ", insecure-skip-tls-verify: true}}]\n" +
		"contexts: [{name: c, context: {cluster: k, user: u}}]\n" +
		"users: [{name: u, user: " + user + "}]\n"
}

func TestParseRefuses(t *testing.T) {
	const s = "https://10.0.0.1:6443"
	for _, tt := range []struct{ name, in, want string }{
		{"blank", " \n\t\n", "it is empty"},
		{"comment", "# nothing\n", "it is empty"},
		{"null", "null\n", "not a map"},
		{"list", "[1, 2]", "not a map"},
		{"too large", strings.Repeat("#", maxSize+1), "larger than"},
		{"two documents", shape(s, "{token: x}") + "---\nkind: Config\n", "something follows"},
		{"other kind", strings.Replace(shape(s, "{token: x}"), "kind: Config", "kind: Secret", 1), "kind"},
		{"other version", strings.Replace(shape(s, "{token: x}"), "apiVersion: v1", "apiVersion: v2", 1), "apiVersion"},
		{"no server", shape("", "{token: x}"), "clusters[k].server"},
		{"no credential", shape(s, "{}"), "users[u]: no complete credential"},
		{"null exec", shape(s, "{exec: null}"), "users[u]: no complete credential"},
		{"certificate without key", shape(s, "{client-certificate-data: aGVsbG8=}"), "users[u]: no complete credential"},
		{"empty key", shape(s, `{client-certificate-data: aGVsbG8=, client-key-data: ""}`), "users[u]: no complete credential"},
		{"no contexts", strings.Replace(shape(s, "{token: x}"), "contexts:", "xcontexts:", 1), "contexts: there is none"},
		{"dangling", strings.Replace(shape(s, "{token: x}"), "cluster: k", "cluster: z", 1), "contexts: none names"},
		{"wrong type", shape(s, "{token: [a]}"), "line 6: a field has the wrong type"},
		{"field twice", shape(s, "{token: a, token: b}"), "line 6: a field has the wrong type or comes twice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Parse([]byte(tt.in))
			if err == nil || c != nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v; want an error with %q", c, err, tt.want)
			}
		})
	}
}

func TestFindingsOfServersAndUsers(t *testing.T) {
	for _, tt := range []struct{ server, user, want string }{
		{"https://203.0.113.7:6443", "{tokenFile: /t}", "file-reference"},
		{"https://[::1]:6443", "{username: a, password: b}", "server-loopback basic-auth"},
		{"https://[::ffff:127.0.0.1]:6443", "{exec: {command: x}}", "server-loopback exec"},
		{"https://LOCALHOST.:6443", "{exec: {command: x}}", "server-loopback exec"},
		{"https://0.0.0.0:6443", "{exec: {command: x}}", "server-unusable exec"},
		{"https://[::ffff:0.0.0.0]:6443", "{exec: {command: x}}", "server-unusable exec"},
		{"https://k3s:6443", "{exec: {command: x}}", "server-local exec"},
		{"https://k3s.example.org:6443", "{exec: {command: x}}", "exec"},
		{"http://k3s.example.org", "{exec: {command: x}}", "server-plaintext exec"},
		{"https://u:p@k3s.example.org", "{exec: {command: x}}", "server-credentials exec"},
		{"k3s.example.org:6443", "{exec: {command: x}}", "server-invalid exec"},
		{"https://a.example.org", "{token: eyJh.eyJleHAiOjE3OTUyODAwMDB9.c2ln}", "token-expired"},
		{"https://a.example.org", "{token: eyJh.eyJleHAiOjE3OTU0MDAwMDB9.c2ln}", "token-expires-soon"},
		{"https://a.example.org", "{token: eyJh.eyJleHAiOjE5OTUyODAwMDB9.c2ln}", ""},
		{"https://a.example.org", "{token: eyJh.eyJleHAiOjE5OTUyODAwMDAwMDB9.c2ln}", "token"},
	} {
		c, err := Parse([]byte(shape(tt.server, tt.user)))
		if err != nil {
			t.Errorf("%s: %v", tt.server, err)
			continue
		}
		var got []string
		for _, f := range c.Findings(recordedAt, month) {
			if f.Check != "insecure-skip-tls-verify" {
				got = append(got, f.Check)
			}
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s %s: got %q, want %q", tt.server, tt.user, s, tt.want)
		}
	}
}

func TestCAThatIsNone(t *testing.T) {
	c, err := Parse(recorded(t, "good-remote.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	c.clusters["default"].CAData = c.users["default"].CertData
	var got []string
	for _, f := range c.Findings(recordedAt, month) {
		got = append(got, f.Check)
	}
	if want := []string{"ca-not-a-ca"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What the current context does not use must not make noise as an error.
func TestUnusedIsAWarning(t *testing.T) {
	in := strings.Replace(shape("https://a.example.org", "{token: x}"),
		"users: [", "users: [{name: old, user: {}}, ", 1)
	c, err := Parse([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	f := c.Findings(recordedAt, month)
	if i := slices.IndexFunc(f, func(f Finding) bool { return f.Check == "no-credential" }); i < 0 || f[i].Severity != Warning || f[i].Field != "users[old]" {
		t.Errorf("findings %v", f)
	}
}

// A credential must be in no error, no finding and no contents, however the
// file is broken.
func TestTellsNoSecret(t *testing.T) {
	const secret = "hunter2"
	for _, in := range []string{
		shape("https://a.example.org", "{token: "+secret+"}"),
		shape("https://a.example.org", "{token: ["+secret+"]}"),
		shape("https://a.example.org", "{client-key-data: "+secret+"-}"),
		shape("https://a.example.org", "{token: *"+secret+"}"),
		shape("https://a.example.org", "{token: !"+secret+"!x}"),
		shape("https://a.example.org", "{insecure: \"\\"+secret+"\"}"),
		shape("https://u:"+secret+"@a.example.org:port", "{token: x}"),
		shape("https://u:"+secret+"@a.example.org?t="+secret, "{username: u, password: "+secret+"}"),
		secret,
		"users: " + secret,
		secret + ": &a [*a]",
	} {
		c, err := Parse([]byte(in))
		told := ""
		if err != nil {
			told = err.Error()
		} else {
			b, err := json.Marshal([]any{c.Findings(recordedAt, month), c.Contents()})
			if err != nil {
				t.Fatal(err)
			}
			told = string(b)
		}
		if strings.Contains(told, secret) {
			t.Errorf("%q tells its secret: %s", in, told)
		}
	}
}

func TestRetarget(t *testing.T) {
	const server = "https://127.0.0.1:16443"
	t.Run("recorded", func(t *testing.T) {
		in := recorded(t, "good-remote.yaml")
		got, err := Retarget(in, server)
		if err != nil {
			t.Fatal(err)
		}
		before, err := Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		after, err := Parse(got)
		if err != nil {
			t.Fatal(err)
		}
		if s := after.Contents().Server; s != server {
			t.Errorf("server %s", s)
		}
		before.clusters["default"].Server = server
		if a, b := mustJSON(t, before.file), mustJSON(t, after.file); a != b {
			t.Errorf("more than the server changed:\n%s\n%s", a, b)
		}
	})
	t.Run("keeps the unknown", func(t *testing.T) {
		in := "# mine\n" + strings.Replace(shape("https://a.example.org", "{token: x}"), "insecure-skip-tls-verify: true",
			"proxy-url: socks5://p, tls-server-name: k3s", 1)
		got, err := Retarget([]byte(in), server)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"# mine", "socks5://p", "tls-server-name: k3s", server} {
			if !strings.Contains(string(got), want) {
				t.Errorf("no %q in\n%s", want, got)
			}
		}
		if strings.Contains(string(got), "a.example.org") {
			t.Errorf("the old server is still there:\n%s", got)
		}
	})
	t.Run("only the current", func(t *testing.T) {
		in := strings.Replace(shape("https://a.example.org", "{token: x}"),
			"clusters: [", "clusters: [{name: other, cluster: {server: 'https://b.example.org'}}, ", 1)
		got, err := Retarget([]byte(in), server)
		if err != nil {
			t.Fatal(err)
		}
		if s := string(got); !strings.Contains(s, "b.example.org") || strings.Contains(s, "a.example.org") {
			t.Errorf("got\n%s", s)
		}
	})
	for name, server := range map[string]string{"plaintext": "http://a", "no host": "https://", "credentials": "https://u:p@a", "path": "/a"} {
		t.Run(name, func(t *testing.T) {
			if out, err := Retarget(recorded(t, "good-remote.yaml"), server); err == nil {
				t.Errorf("took %q: %s", server, out)
			}
		})
	}
	t.Run("no current context", func(t *testing.T) {
		if _, err := Retarget(recorded(t, "unknown-current-context.yaml"), server); err == nil {
			t.Error("took a file whose current context is unknown")
		}
	})
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func FuzzParse(f *testing.F) {
	for name := range recordings {
		f.Add(recorded(f, name))
	}
	f.Add([]byte(shape("https://a.example.org", "{token: x}")))
	f.Add([]byte("a: &a [*a]\nclusters: *a\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		c, err := Parse(in)
		if err != nil {
			return
		}
		for _, finding := range c.Findings(recordedAt, month) {
			if finding.Field == "" || finding.What == "" || finding.Check == "" {
				t.Errorf("a finding that says nothing: %+v", finding)
			}
		}
		out, err := Retarget(in, "https://127.0.0.1:16443")
		if err != nil {
			return
		}
		again, err := Parse(out)
		if err != nil {
			t.Fatalf("what Retarget wrote does not parse: %v", err)
		}
		if s := again.Contents().Server; s != "https://127.0.0.1:16443" {
			t.Errorf("retargeted to %q", s)
		}
	})
}
