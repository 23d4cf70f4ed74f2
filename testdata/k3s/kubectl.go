package main

import (
	"os"

	_ "k8s.io/client-go/plugin/pkg/client/auth" // kubectl's own main links these as well
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

// kubectl is the real one. What k3s adds is that it finds the kubeconfig of
// the server beside it.
func kubectl(args []string) error {
	if os.Getenv("KUBECONFIG") == "" {
		file := env("K3S_KUBECONFIG_OUTPUT", "/etc/rancher/k3s/k3s.yaml")
		if !exists(file) {
			file = defaultKubeconfig()
		}
		if exists(file) {
			if err := os.Setenv("KUBECONFIG", file); err != nil {
				return err
			}
		}
	}
	os.Args = append([]string{"kubectl"}, args...)
	if _, err := logs.GlogSetter(cmd.GetLogVerbosity(os.Args)); err != nil {
		return err
	}
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err) // prints and ends the process as kubectl does
	}
	return nil
}
