package registry

import "slices"

// Resource is a kind of object that an API server serves as a list.
type Resource struct {
	Key  string // in the contents of a datastore: "registry/" and its group, as Group names it
	Path string // in the API
	// Grows says that a control plane adds such objects by itself when it
	// starts; then more than were saved are as good.
	Grows bool
	// Fades says that a cluster at work removes such objects by itself; then
	// fewer than were saved are no loss. In a control plane alone they stay.
	Fades bool
}

// Definitions is the key of the definitions of custom resources.
const Definitions = "registry/apiextensions.k8s.io/customresourcedefinitions"

// SnapshotFiles is the key of k3s's own list of the snapshots on its disk. Where
// there are none, as on a new machine, k3s empties it: its number says nothing.
const SnapshotFiles = "registry/k3s.cattle.io/etcdsnapshotfiles"

// served are the built-in resources that a person or a program put into the
// cluster, and would miss. Not in it is what the control plane keeps for itself
// and makes anew: leases, events, endpoints, flow schemas, address ranges; nor
// pods, whose controllers do.
var served = []Resource{
	{Key: "registry/namespaces", Path: "/api/v1/namespaces", Grows: true},
	{Key: "registry/secrets", Path: "/api/v1/secrets", Grows: true, Fades: true}, // k3s: its serving certificate; bootstrap tokens expire
	{Key: "registry/configmaps", Path: "/api/v1/configmaps", Grows: true},        // one in every namespace
	{Key: "registry/serviceaccounts", Path: "/api/v1/serviceaccounts", Grows: true},
	{Key: "registry/services/specs", Path: "/api/v1/services", Grows: true},
	{Key: "registry/persistentvolumes", Path: "/api/v1/persistentvolumes"},
	{Key: "registry/persistentvolumeclaims", Path: "/api/v1/persistentvolumeclaims"},
	{Key: "registry/deployments", Path: "/apis/apps/v1/deployments", Grows: true}, // k3s: its addons
	{Key: "registry/daemonsets", Path: "/apis/apps/v1/daemonsets", Grows: true},   // k3s: load balancers
	{Key: "registry/statefulsets", Path: "/apis/apps/v1/statefulsets"},
	{Key: "registry/jobs", Path: "/apis/batch/v1/jobs", Grows: true, Fades: true}, // k3s: its helm controller; cron jobs keep the last ones
	{Key: "registry/cronjobs", Path: "/apis/batch/v1/cronjobs"},
	{Key: "registry/horizontalpodautoscalers", Path: "/apis/autoscaling/v2/horizontalpodautoscalers"},
	{Key: "registry/poddisruptionbudgets", Path: "/apis/policy/v1/poddisruptionbudgets"},
	{Key: "registry/resourcequotas", Path: "/api/v1/resourcequotas"},
	{Key: "registry/limitranges", Path: "/api/v1/limitranges"},
	{Key: "registry/priorityclasses", Path: "/apis/scheduling.k8s.io/v1/priorityclasses", Grows: true},
	{Key: "registry/ingress", Path: "/apis/networking.k8s.io/v1/ingresses"},
	{Key: "registry/ingressclasses", Path: "/apis/networking.k8s.io/v1/ingressclasses", Grows: true}, // k3s: its addons
	{Key: "registry/networkpolicies", Path: "/apis/networking.k8s.io/v1/networkpolicies"},
	{Key: "registry/roles", Path: "/apis/rbac.authorization.k8s.io/v1/roles", Grows: true},
	{Key: "registry/rolebindings", Path: "/apis/rbac.authorization.k8s.io/v1/rolebindings", Grows: true},
	{Key: "registry/clusterroles", Path: "/apis/rbac.authorization.k8s.io/v1/clusterroles", Grows: true},
	{Key: "registry/clusterrolebindings", Path: "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", Grows: true},
	{Key: "registry/storageclasses", Path: "/apis/storage.k8s.io/v1/storageclasses", Grows: true},
	{Key: "registry/validatingwebhookconfigurations", Path: "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"},
	{Key: "registry/mutatingwebhookconfigurations", Path: "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"},
	{Key: Definitions, Path: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", Grows: true},
}

// Served are the built-in resources that are counted after a restore.
func Served() []Resource { return slices.Clone(served) }
