package asset

import "testing"

func TestUnitEndpoint(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "",
		"ExecStart=/usr/local/bin/k3s server\n": "",
		"K3S_DATASTORE_ENDPOINT=mysql://u:p@tcp(h)/k3s\n":                                        "mysql://u:p@tcp(h)/k3s",
		"K3S_DATASTORE_ENDPOINT='postgres://h/k3s'\n":                                            "postgres://h/k3s",
		"Environment=\"K3S_DATASTORE_ENDPOINT=postgres://h/k3s\"\n":                              "postgres://h/k3s",
		"ExecStart=/usr/local/bin/k3s \\\n    server \\\n\t'--datastore-endpoint=etcd://h' \\\n": "etcd://h",
		"ExecStart=/usr/local/bin/k3s server --datastore-endpoint etcd://h\n":                    "etcd://h",
		"#K3S_DATASTORE_ENDPOINT=mysql://old\n":                                                  "",
		"; --datastore-endpoint=mysql://old\n":                                                   "",
		"K3S_DATASTORE_ENDPOINT_FILE=/x\n":                                                       "",
		"--datastore-endpoint-cafile=/x\n":                                                       "",
		"K3S_DATASTORE_ENDPOINT=\n":                                                              "",
	} {
		if got, found := unitEndpoint(text); got != want || found != (want != "") {
			t.Errorf("%q: %q, %v, want %q", text, got, found, want)
		}
	}
}
