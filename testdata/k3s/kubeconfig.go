package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// writeKubeconfig leaves the administrator's kubeconfig, everything embedded.
func writeKubeconfig(o *options, l layout) error {
	var data [3]string
	for i, f := range []string{"tls/server-ca.crt", "tls/client-admin.crt", "tls/client-admin.key"} {
		raw, err := os.ReadFile(l.path(f))
		if err != nil {
			return err
		}
		data[i] = base64.StdEncoding.EncodeToString(raw)
	}
	text := fmt.Sprintf(`apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: %s
    server: https://%s
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
users:
- name: default
  user:
    client-certificate-data: %s
    client-key-data: %s
`, data[0], localServer(o), data[1], data[2])
	mode := os.FileMode(0o600)
	if o.kubeconfigMode != "" {
		m, err := strconv.ParseUint(o.kubeconfigMode, 8, 32)
		if err != nil {
			return fmt.Errorf("write-kubeconfig-mode: %w", err)
		}
		mode = os.FileMode(m)
	}
	if err := os.MkdirAll(filepath.Dir(o.kubeconfig), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(o.kubeconfig, []byte(text), mode); err != nil {
		return err
	}
	return os.Chmod(o.kubeconfig, mode)
}
