package main

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/namespace"
	"k8s.io/kubernetes/pkg/controller/serviceaccount"
)

// runControllers starts the two of kube-controller-manager's controllers that
// a cluster without workloads misses at once: without them a namespace never
// goes away and never has a service account.
func runControllers(ctx context.Context, o *options, l layout) error {
	config := &rest.Config{
		Host: "https://" + localServer(o), QPS: 200, Burst: 400,
		TLSClientConfig: rest.TLSClientConfig{
			CAFile: l.path("tls/server-ca.crt"), CertFile: l.path("tls/client-admin.crt"), KeyFile: l.path("tls/client-admin.key"),
		},
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	meta, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	shared := informers.NewSharedInformerFactory(client, 0)
	accounts, err := serviceaccount.NewServiceAccountsController(klog.FromContext(ctx),
		shared.Core().V1().ServiceAccounts(), shared.Core().V1().Namespaces(), client,
		serviceaccount.DefaultServiceAccountsControllerOptions())
	if err != nil {
		return err
	}
	namespaces := namespace.NewNamespaceController(ctx, client, meta,
		client.Discovery().ServerPreferredNamespacedResources,
		shared.Core().V1().Namespaces(), 5*time.Minute, corev1.FinalizerKubernetes)
	shared.Start(ctx.Done())
	go accounts.Run(ctx, 1)
	go namespaces.Run(ctx, 2)
	return nil
}
