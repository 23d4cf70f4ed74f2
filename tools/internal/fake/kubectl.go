package fake

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// kubectl is `k3s kubectl get --raw PATH`, for lists of Secrets and ConfigMaps.
func (w world) kubectl(args []string, stdout io.Writer) error {
	if len(args) != 3 || args[0] != "get" || args[1] != "--raw" {
		return plain("error: unknown command or flag: " + strings.Join(args, " "))
	}
	// The real one, without its file, asks localhost:8080.
	if _, err := os.Stat(os.Getenv("KUBECONFIG")); err != nil {
		return plain("The connection to the server localhost:8080 was refused - did you specify the right host or port?")
	}
	if w.fault(FaultAPIDown) {
		return plain("The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?")
	}
	u, err := url.Parse(args[2])
	if err != nil {
		return err
	}
	resource, ok := strings.CutPrefix(u.Path, "/api/v1/")
	if !ok || resource != "secrets" && resource != "configmaps" {
		return plain("Error from server (NotFound): the server could not find the requested resource")
	}
	if w.fault(FaultForbidden) {
		return plain(fmt.Sprintf("Error from server (Forbidden): %s is forbidden: User \"backup-viewer\" cannot list resource \"%s\" in API group \"\" at the cluster scope", resource, resource))
	}
	q := u.Query()
	for name := range q {
		if !slices.Contains([]string{"labelSelector", "limit", "continue"}, name) {
			return plain("fake: the query has the unknown " + name)
		}
	}
	if selector := q.Get("labelSelector"); selector != "owner=helm" {
		return plain("fake: the selector " + selector + " is not known")
	}
	return w.list(resource, q, stdout)
}

type objectList struct {
	Kind       string `json:"kind"`
	APIVersion string `json:"apiVersion"`
	Metadata   struct {
		ResourceVersion string `json:"resourceVersion"`
		Continue        string `json:"continue,omitempty"`
	} `json:"metadata"`
	Items []json.RawMessage `json:"items"`
}

// token is what a continue token says, once decoded.
type token struct {
	V     string `json:"v"`
	RV    int64  `json:"rv"`
	Start string `json:"start"`
}

// list prints one page of the objects in the world.
func (w world) list(resource string, q url.Values, stdout io.Writer) error {
	b, err := os.ReadFile(w.path(resource + ".json"))
	if err != nil {
		return err
	}
	var all objectList
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	all.Metadata.Continue = ""
	if next := q.Get("continue"); next != "" {
		expired, err := w.once(FaultListExpires)
		if err != nil {
			return err
		}
		if expired {
			return plain("Error from server (Expired): The provided continue parameter is too old to display a consistent list result.")
		}
		if all.Items, err = behind(all.Items, next); err != nil {
			return err
		}
	}
	if s := q.Get("limit"); s != "" {
		limit, err := strconv.Atoi(s)
		if err != nil || limit < 0 {
			return plain("Error from server (BadRequest): limit: " + s)
		}
		if limit > 0 && limit < len(all.Items) {
			rv, err := strconv.ParseInt(all.Metadata.ResourceVersion, 10, 64)
			if err != nil {
				return err
			}
			key, err := keyOf(all.Items[limit-1])
			if err != nil {
				return err
			}
			t, err := json.Marshal(token{"meta.k8s.io/v1", rv, "/" + key + "\x00"})
			if err != nil {
				return err
			}
			all.Metadata.Continue = base64.RawURLEncoding.EncodeToString(t)
			all.Items = all.Items[:limit]
		}
	}
	return json.NewEncoder(stdout).Encode(all)
}

// behind are the items after the one that the continue token names.
func behind(items []json.RawMessage, next string) ([]json.RawMessage, error) {
	var t token
	b, err := base64.RawURLEncoding.DecodeString(next)
	if err == nil {
		err = json.Unmarshal(b, &t)
	}
	if err != nil {
		return nil, plain("Error from server (BadRequest): invalid continue token: continue key is not valid: " + err.Error())
	}
	last := strings.Trim(t.Start, "/\x00")
	for i, item := range items {
		key, err := keyOf(item)
		if err != nil {
			return nil, err
		}
		if key > last {
			return items[i:], nil
		}
	}
	return nil, nil
}

// keyOf is the object's place in the API server's order.
func keyOf(item json.RawMessage) (string, error) {
	var o struct {
		Metadata struct{ Namespace, Name string }
	}
	err := json.Unmarshal(item, &o)
	return o.Metadata.Namespace + "/" + o.Metadata.Name, err
}
