package drill

import (
	"archive/tar"
	"bytes"
	"slices"
	"strings"
	"testing"

	"compress/gzip"
)

func packed(t *testing.T, members ...string) *bytes.Reader {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	for i := 0; i < len(members); i += 2 {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: members[i], Size: int64(len(members[i+1])), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(members[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(out.Bytes())
}

func TestReadServer(t *testing.T) {
	token := []string{"server/token", "K10abc::server:pass"}
	for name, tt := range map[string]struct {
		members       []string
		service, pods string
		encryption    bool
		wrong         string
	}{
		"nothing but a token": {},
		"config": {members: []string{"etc/config.yaml", "service-cidr: 10.9.0.0/16\ncluster-cidr: [10.8.0.0/16, 'fd00::/56']\nsecrets-encryption: true\nserver: https://elsewhere:6443\netcd-s3: true\n"},
			service: "10.9.0.0/16", pods: "10.8.0.0/16,fd00::/56", encryption: true},
		"later files win": {members: []string{"etc/config.yaml", "service-cidr: 10.1.0.0/16", "etc/config.yaml.d/10-a.yaml", "service-cidr: 10.2.0.0/16", "etc/config.yaml.d/note.txt", "service-cidr: 10.3.0.0/16"},
			service: "10.2.0.0/16"},
		"unit": {members: []string{"unit/k3s.service", "ExecStart=/usr/local/bin/k3s \\\n    server \\\n\t'--service-cidr' \\\n\t'10.4.0.0/16' \\\n '--cluster-cidr=10.5.0.0/16' \\\n\t'--secrets-encryption' \\\n"},
			service: "10.4.0.0/16", pods: "10.5.0.0/16", encryption: true},
		"encryption by its file": {members: []string{"server/cred/encryption-config.json", "{}"}, encryption: true},
		"empty config":           {members: []string{"etc/config.yaml", "# nothing\n"}},
		"no address":             {members: []string{"etc/config.yaml", "service-cidr: 10.9.0.0/16 --etcd-s3\n"}, wrong: "service-cidr"},
		"not YAML":               {members: []string{"etc/config.yaml", "token: [s3cr3t\n"}, wrong: "not the YAML"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := readServer(packed(t, append(slices.Clone(token), tt.members...)...), true)
			if tt.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wrong) || strings.Contains(err.Error(), "s3cr3t") {
					t.Fatalf("want %q, got %v", tt.wrong, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if s.ServiceCIDR != tt.service || s.ClusterCIDR != tt.pods || s.Encryption != tt.encryption || string(s.Token) != token[1] || s.Files != nil {
				t.Errorf("%+v", s)
			}
		})
	}
	if _, err := readServer(packed(t, "etc/config.yaml", ""), true); err == nil || !strings.Contains(err.Error(), "token") {
		t.Errorf("without a token: %v", err)
	}
}

// On blank hardware the datastore brings certificates and keys along; where it
// has none, they must come from the artifact.
func TestReadServerFiles(t *testing.T) {
	members := []string{"server/token", "t", "server/tls/server-ca.crt", "ca", "server/cred/passwd", "p", "server/manifests/mine.yaml", "m", "server/agent-token", "a"}
	s, err := readServer(packed(t, members...), false)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Files) != 2 || string(s.Files["tls/server-ca.crt"]) != "ca" || string(s.Files["cred/passwd"]) != "p" {
		t.Errorf("%v", s.Files)
	}
}

func TestFamilies(t *testing.T) {
	for _, tt := range []struct {
		service, pods string
		ipv4, ipv6    bool
	}{
		{"", "", true, false},
		{"10.43.0.0/16", "10.42.0.0/16", true, false},
		{"10.43.0.0/16,fd01::/112", "", true, true},
		{"fd01::/112", "fd00::/56", false, true},
	} {
		s := &server{ServiceCIDR: tt.service, ClusterCIDR: tt.pods}
		if ipv4, ipv6 := s.families(); ipv4 != tt.ipv4 || ipv6 != tt.ipv6 {
			t.Errorf("%+v: %v, %v", tt, ipv4, ipv6)
		}
	}
}
