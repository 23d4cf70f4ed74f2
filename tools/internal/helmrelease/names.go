package helmrelease

import (
	"fmt"
	"strconv"
	"strings"
)

// objectPrefix begins the name of every object in which Helm stores a release.
const objectPrefix = "sh.helm.release.v1."

// maxLabel is Kubernetes' limit on a namespace and on a label's value, and a
// release's name is both a part of an object's name and a label's value.
const maxLabel = 63

func validNamespace(s string) bool {
	return len(s) <= maxLabel && validLabel(s)
}

func validName(s string) bool {
	if len(s) > maxLabel {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if !validLabel(label) {
			return false
		}
	}
	return true
}

func validLabel(s string) bool {
	if s == "" || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// parseRevision accepts the one way in which Helm writes a revision, so that
// two spellings can never mean the same file.
func parseRevision(s string) (int, bool) {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 1 || strconv.FormatInt(n, 10) != s {
		return 0, false
	}
	return int(n), true
}

// configMapMark tells the folder of a release kept in ConfigMaps from one of
// the same name kept in Secrets. No release's name can contain the sign.
const configMapMark = "@configmap"

// folder is where a release lies in the tar, and its key in Contents.
func folder(namespace, name string, kind Kind) string {
	if kind == ConfigMap {
		name += configMapMark
	}
	return namespace + "/" + name
}

func parseFolder(namespace, name string) (string, bool) {
	if !validNamespace(namespace) || !validName(strings.TrimSuffix(name, configMapMark)) {
		return "", false
	}
	return namespace + "/" + name, true
}

// printable is a foreign name made fit for a terminal and a log line.
func printable(s string) string {
	const enough = 300
	if len(s) > enough {
		s = s[:enough]
	}
	if validName(s) || validObjectName(s) {
		return s
	}
	return strconv.Quote(s)
}

func validObjectName(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if !validLabel(label) {
			return false
		}
	}
	return len(s) <= 253
}

// checkIdentity holds a record against the object that carried it. Whoever may
// write one Secret in one namespace must not be able to write into another
// release's folder, nor outside of all folders.
func checkIdentity(r *Release) error {
	if !validNamespace(r.Namespace) {
		return fmt.Errorf("the object's namespace is not a valid namespace")
	}
	if !validName(r.Name) {
		return fmt.Errorf("the record's name %s is not a valid release name", printable(r.Name))
	}
	if r.Revision < 1 || r.Revision > 1<<31-1 {
		return fmt.Errorf("the record's revision %d is out of range", r.Revision)
	}
	if label := r.Labels["name"]; label != r.Name {
		return fmt.Errorf("the record says name %s, the object's label %s", printable(r.Name), printable(label))
	}
	if label := r.Labels["version"]; label != strconv.Itoa(r.Revision) {
		return fmt.Errorf("the record says revision %d, the object's label %s", r.Revision, printable(label))
	}
	if want := objectPrefix + r.Name + ".v" + strconv.Itoa(r.Revision); r.Object != want {
		return fmt.Errorf("the record belongs into an object named %s", want)
	}
	return nil
}
