package helmrelease

import (
	"errors"
	"strings"
)

// secretType is the type that Helm gives to its Secrets.
const secretType = "helm.sh/release.v1"

// object is the part of a Secret or ConfigMap that we look at.
type object struct {
	Kind     string
	Type     string
	Metadata struct {
		Name      string
		Namespace string
		Labels    map[string]string
	}
	Data map[string]string
}

// kindIn is the object's kind: as it says itself, else as the list says. Where
// neither does, because the list's kind comes behind its items, only a Secret
// has a type.
func (o *object) kindIn(list string) Kind {
	switch k, _ := kindOfList(list); {
	case o.Kind == string(Secret), o.Kind == string(ConfigMap):
		return Kind(o.Kind)
	case o.Kind != "":
		return ""
	case k != "":
		return k
	case o.Type != "":
		return Secret
	}
	return ConfigMap
}

func (o *object) problem(list string, err error) *Problem {
	return &Problem{Namespace: o.Metadata.Namespace, Kind: o.kindIn(list), Object: o.Metadata.Name, Err: err}
}

func (o *object) item(list string) Item {
	kind := o.kindIn(list)
	if kind == "" {
		return Item{Problem: o.problem(list, errors.New("neither a Secret nor a ConfigMap"))}
	}
	payload, ok := o.Data["release"]
	if !ok {
		err := errors.New("it has no key named release")
		if o.looksForeign(kind) {
			err = ErrNotRelease
		}
		return Item{Problem: o.problem(list, err)}
	}
	r := &Release{
		Namespace: o.Metadata.Namespace,
		Kind:      kind,
		Object:    o.Metadata.Name,
		Labels:    o.Metadata.Labels,
	}
	decoded, err := decodePayload(payload, kind)
	if err == nil {
		err = parseRecord(decoded, r)
	}
	if err == nil {
		err = checkIdentity(r)
	}
	if err != nil {
		return Item{Problem: o.problem(list, err)}
	}
	return Item{Release: r}
}

// looksForeign tells a stranger's object with Helm's label from a record that
// lost its payload: the type, or where there is none the name, is Helm's.
func (o *object) looksForeign(kind Kind) bool {
	if kind == Secret && o.Type != "" {
		return o.Type != secretType
	}
	return !strings.HasPrefix(o.Metadata.Name, objectPrefix)
}
