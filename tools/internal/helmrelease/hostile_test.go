package helmrelease

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestIdentity(t *testing.T) {
	long := strings.Repeat("a", 64)
	for _, tt := range []struct {
		name              string
		namespace, object string // of the object
		label, version    string
		record            []byte
		want              string
	}{
		{"as it should be", "apps", "sh.helm.release.v1.web.v1", "web", "1", release("apps", "web", 1, "deployed", "{}"), ""},
		{"dots in the name", "apps", "sh.helm.release.v1.a.v1.v1", "a.v1", "1", release("apps", "a.v1", 1, "deployed", "{}"), ""},
		{"other namespace", "apps", "sh.helm.release.v1.web.v1", "web", "1", release("kube-system", "web", 1, "deployed", "{}"), "says namespace kube-system, but it is stored in apps"},
		{"traversal in both namespaces", "../../etc", "sh.helm.release.v1.web.v1", "web", "1", release("../../etc", "web", 1, "deployed", "{}"), "not a valid namespace"},
		{"empty namespace", "", "sh.helm.release.v1.web.v1", "web", "1", release("", "web", 1, "deployed", "{}"), "not a valid namespace"},
		{"traversal in the name", "apps", "sh.helm.release.v1.web.v1", "../../x", "1", release("apps", "../../x", 1, "deployed", "{}"), `name "../../x" is not a valid`},
		{"dots alone", "apps", "sh.helm.release.v1....v1", "..", "1", release("apps", "..", 1, "deployed", "{}"), "not a valid release name"},
		{"slash", "apps", "sh.helm.release.v1.a/b.v1", "a/b", "1", release("apps", "a/b", 1, "deployed", "{}"), "not a valid release name"},
		{"the folder's mark", "apps", "sh.helm.release.v1.a@configmap.v1", "a@configmap", "1", release("apps", "a@configmap", 1, "deployed", "{}"), "not a valid release name"},
		{"escape codes", "apps", "sh.helm.release.v1.a.v1", "a", "1", release("apps", "a\x1b[2J", 1, "deployed", "{}"), "json: broken"},
		{"too long", "apps", "sh.helm.release.v1." + long + ".v1", long, "1", release("apps", long, 1, "deployed", "{}"), "not a valid release name"},
		{"other name than the label's", "apps", "sh.helm.release.v1.web.v1", "web", "1", release("apps", "db", 1, "deployed", "{}"), "says name db, the object's label web"},
		{"other revision than the label's", "apps", "sh.helm.release.v1.web.v1", "web", "1", release("apps", "web", 2, "deployed", "{}"), "says revision 2, the object's label 1"},
		{"other object", "apps", "sh.helm.release.v1.db.v1", "web", "1", release("apps", "web", 1, "deployed", "{}"), "belongs into an object named sh.helm.release.v1.web.v1"},
		{"revision 0", "apps", "sh.helm.release.v1.web.v0", "web", "0", release("apps", "web", 0, "deployed", "{}"), "revision 0 is out of range"},
		{"negative revision", "apps", "sh.helm.release.v1.web.v-1", "web", "-1", release("apps", "web", -1, "deployed", "{}"), "revision -1 is out of range"},
		{"values that are no map", "apps", "sh.helm.release.v1.web.v1", "web", "1", release("apps", "web", 1, "deployed", `["hunter2"]`), "the values are not a map"},
		{"a field of the wrong type", "apps", "sh.helm.release.v1.web.v1", "web", "1", []byte(`{"namespace":"apps","version":"hunter2"}`), `field "version" has the wrong type`},
		{"revision beyond any number", "apps", "sh.helm.release.v1.web.v1", "web", "1", []byte(`{"namespace":"apps","version":1e999}`), `field "version" has the wrong type`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := secret(t, tt.namespace, "x", 1, tt.record)
			o["metadata"] = map[string]any{"namespace": tt.namespace, "name": tt.object,
				"labels": map[string]string{"owner": "helm", "name": tt.label, "version": tt.version}}
			good := secret(t, "apps", "after", 1, release("apps", "after", 1, "deployed", "{}"))
			releases, problems, _ := collect(t, secretList(t, o, good))
			if len(releases) == 0 || releases[len(releases)-1].Name != "after" {
				t.Fatalf("the release after it is lost: %v", problems)
			}
			if tt.want == "" {
				if len(problems) > 0 || len(releases) != 2 {
					t.Errorf("refused: %v", problems)
				}
				return
			}
			if len(problems) != 1 || !strings.Contains(problems[0].Error(), tt.want) {
				t.Fatalf("problems %v, want %q", problems, tt.want)
			}
			if text := problems[0].Error(); strings.Contains(text, "hunter2") || strings.Contains(text, "\x1b") {
				t.Errorf("the problem quotes the data: %q", text)
			}
		})
	}
}

func TestBombs(t *testing.T) {
	big := append(release("apps", "bomb", 1, "deployed", "{}"), bytes.Repeat([]byte(" "), maxRecord)...)
	deep := release("apps", "deep", 1, "deployed", strings.Repeat(`{"a":`, 20_000)+"1"+strings.Repeat("}", 20_000))
	for _, tt := range []struct {
		name, want string
		record     []byte
	}{
		{"bomb", "decodes to more than 32 MiB", big},
		{"deep", "json: broken at byte", deep},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, problems, _ := collect(t, secretList(t, secret(t, "apps", tt.name, 1, tt.record)))
			if len(problems) != 1 || !strings.Contains(problems[0].Error(), tt.want) {
				t.Errorf("problems %v, want %q", problems, tt.want)
			}
		})
	}
}

func TestPayload(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString
	for _, tt := range []struct {
		name, in string
		kind     Kind
		want     string
		wantErr  string
	}{
		{"uncompressed", b64([]byte(b64([]byte("{}")))), Secret, "{}", ""},
		{"uncompressed in a ConfigMap", b64([]byte("{}")), ConfigMap, "{}", ""},
		{"compressed in a Secret", payload(t, []byte("[1]")), Secret, "[1]", ""},
		{"one layer too many", payload(t, []byte("[1]")), ConfigMap, "H4sI", ""},
		{"empty", "", Secret, "", "the payload is empty"},
		{"other magic", b64([]byte(b64([]byte("\x28\xb5\x2f\xfd")))), Secret, "\x28\xb5\x2f\xfd", ""},
		{"gzip's magic and no more", b64([]byte{0x1f, 0x8b, 0x08}), ConfigMap, "", "gzip"},
		{"not base64", "!!!", ConfigMap, "", "base64"},
		{"inner not base64", b64([]byte("!!!!")), Secret, "", "base64"},
		{"torn base64", "H4sIA", ConfigMap, "", "gzip: unexpected EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decodePayload(tt.in, tt.kind)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("got %q, %v; want error %q", got, err, tt.wantErr)
				}
				return
			}
			if err != nil || !strings.HasPrefix(string(got), tt.want) {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestOddObjects(t *testing.T) {
	good := secret(t, "apps", "after", 1, release("apps", "after", 1, "deployed", "{}"))
	for name, tt := range map[string]struct {
		item  any
		want  string
		isNot bool // wraps ErrNotRelease
	}{
		"null":            {nil, "not a release record", true},
		"data is a list":  {map[string]any{"metadata": map[string]any{"namespace": "a", "name": "b"}, "data": []int{1}}, "wrong type", false},
		"payload a map":   {map[string]any{"type": secretType, "data": map[string]any{"release": map[string]int{}}}, "wrong type", false},
		"other kind":      {map[string]any{"kind": "Pod"}, "neither a Secret nor a ConfigMap", false},
		"stranger":        {map[string]any{"type": "Opaque", "metadata": map[string]any{"namespace": "a", "name": "b"}}, "not a release record", true},
		"stranger in map": {map[string]any{"kind": "ConfigMap", "metadata": map[string]any{"namespace": "a", "name": "b"}}, "not a release record", true},
		"emptied map":     {map[string]any{"kind": "ConfigMap", "metadata": map[string]any{"namespace": "a", "name": "sh.helm.release.v1.b.v1"}}, "no key named release", false},
	} {
		t.Run(name, func(t *testing.T) {
			releases, problems, _ := collect(t, secretList(t, tt.item, good))
			if len(releases) != 1 {
				t.Fatalf("the release after it is lost: %v", problems)
			}
			isNot := len(problems) == 1 && errors.Is(problems[0].Err, ErrNotRelease)
			if len(problems) != 1 || !strings.Contains(problems[0].Error(), tt.want) || isNot != tt.isNot {
				t.Errorf("problems %v, want %q", problems, tt.want)
			}
		})
	}
}

func TestBrokenLists(t *testing.T) {
	whole := recorded(t, "secrets-owner-helm.page1.json")
	const status = `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"gone\u001b[2J","reason":"Expired","code":410}`
	for _, tt := range []struct {
		name    string
		in      io.Reader
		want    string
		expired bool
	}{
		{"nothing", strings.NewReader(""), "json: unexpected EOF", false},
		{"not json", strings.NewReader("Error from server"), "json: broken", false},
		{"an array", strings.NewReader("[]"), "this is not a list", false},
		{"other kind", strings.NewReader(`{"kind":"PodList","items":[]}`), `kind "PodList" is not`, false},
		{"no kind", strings.NewReader(`{"items":[]}`), `kind "" is not`, false},
		{"no items", strings.NewReader(`{"kind":"SecretList"}`), "no items", false},
		{"items twice", strings.NewReader(`{"kind":"SecretList","items":[],"items":[]}`), "two items", false},
		{"items a map", strings.NewReader(`{"kind":"SecretList","items":{}}`), "not an array", false},
		{"more behind", strings.NewReader(`{"kind":"SecretList","items":[]}{}`), "something follows", false},
		{"torn", bytes.NewReader(whole[:len(whole)-3]), "unexpected EOF", false},
		{"torn in an item", bytes.NewReader(whole[:len(whole)/2]), "unexpected EOF", false},
		{"read error", io.MultiReader(bytes.NewReader(whole[:4000]), iotest.ErrReader(errors.New("pipe"))), "read: pipe", false},
		{"410", strings.NewReader(status), `410 "Expired"`, true},
		{"403", strings.NewReader(strings.ReplaceAll(status, "410", "403")), `403 "Expired"`, false},
		{"endless item", io.MultiReader(strings.NewReader(`{"kind":"SecretList","items":[{"a":"`), endless('x')), "larger than 16 MiB", false},
		{"endless field", io.MultiReader(strings.NewReader(`{"kind":"`), endless('x')), "larger than 16 MiB", false},
		{"endless depth", endless('['), "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Read(tt.in, func(Item) error { return nil })
			if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, ErrExpired) != tt.expired {
				t.Errorf("error %v, want %q (expired: %v)", err, tt.want, tt.expired)
			}
			if err != nil && strings.Contains(err.Error(), "\x1b") {
				t.Errorf("the error carries terminal codes: %q", err)
			}
		})
	}
}

type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

// The list's end proves nothing when the page before is given again for ever.
func TestListThatDoesNotEnd(t *testing.T) {
	calls := 0
	err := List(func(_ string, use func(io.Reader) error) error {
		if calls++; calls > 3 {
			t.Fatal("asked on and on")
		}
		return use(strings.NewReader(`{"kind":"SecretList","metadata":{"continue":"x"},"items":[]}`))
	}, func(Item) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("error %v", err)
	}
}

// What stands behind a refused part of the answer has to be read all the same,
// or the child that writes it dies of a broken pipe and hides the reason.
func TestRefusedPageIsReadToItsEnd(t *testing.T) {
	body := strings.NewReader(`{"kind":"PodList","items":{}` + strings.Repeat(" ", 1<<20))
	err := List(func(_ string, use func(io.Reader) error) error { return use(body) }, func(Item) error { return nil })
	if err == nil || body.Len() != 0 {
		t.Errorf("error %v, %d bytes left unread", err, body.Len())
	}
}

func FuzzRead(f *testing.F) {
	f.Add(recorded(f, "configmaps-owner-helm.json"))
	f.Add(secretList(f, secret(f, "apps", "a", 1, release("apps", "a", 1, "deployed", `{"x":1}`))))
	f.Add([]byte(`{"kind":"List","items":[{"kind":"Secret"},null,1]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		a := NewArchive(io.Discard)
		if _, err := Read(bytes.NewReader(in), func(i Item) error {
			if (i.Release == nil) == (i.Problem == nil) {
				t.Fatalf("neither or both: %+v", i)
			}
			return a.Add(i)
		}); err != nil && strings.Contains(err.Error(), "\x1b") {
			t.Errorf("raw bytes in %q", err)
		}
	})
}

func FuzzPayload(f *testing.F) {
	f.Add(payload(f, release("apps", "a", 1, "deployed", `{"x":1}`)), true)
	f.Add(base64.StdEncoding.EncodeToString(release("apps", "a", 1, "failed", "null")), false)
	f.Fuzz(func(t *testing.T, in string, isSecret bool) {
		kind := ConfigMap
		if isSecret {
			kind = Secret
		}
		b, err := decodePayload(in, kind)
		if err != nil {
			return
		}
		if len(b) > maxRecord {
			t.Fatalf("%d bytes", len(b))
		}
		r := Release{Namespace: "apps", Kind: kind}
		if err := parseRecord(b, &r); err != nil {
			return
		}
		text, err := r.ValuesYAML()
		if err != nil {
			t.Fatal(err)
		}
		if err := sameValues(text, r); err != nil {
			t.Errorf("%v:\n%s\n%s", err, r.config, text)
		}
	})
}
