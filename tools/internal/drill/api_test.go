package drill

import (
	"strings"
	"testing"
)

func TestPage(t *testing.T) {
	for name, tt := range map[string]struct {
		list, next string
		items      int
		wrong      string
	}{
		"items":          {list: `{"kind":"L","items":[{"a":1},{}],"metadata":{"continue":"x"}}`, next: "x", items: 2},
		"empty":          {list: `{"items":[]}`},
		"null":           {list: `{"items":null,"metadata":{}}`},
		"unknown fields": {list: `{"x":[[{"items":[1,2]}]],"items":[{}]}`, items: 1},
		"no list":        {list: `{"kind":"Status"}`, wrong: "no items"},
		"not an object":  {list: `[{}]`, wrong: "where { should stand"},
		"items a number": {list: `{"items":7}`, wrong: "not a list"},
		"nothing":        {list: ``, wrong: "EOF"},
		"torn in a list": {list: `{"items":[{},`, wrong: "EOF"},
		"torn at end":    {list: `{"items":[{}]`, wrong: "EOF"},
		"torn in item":   {list: `{"items":[{"a":`, wrong: "EOF"},
		"item no object": {list: `{"items":[3]}`, wrong: "cannot unmarshal"},
	} {
		t.Run(name, func(t *testing.T) {
			items := 0
			next, err := page(strings.NewReader(tt.list), func(object) error {
				items++
				return nil
			})
			if tt.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wrong) {
					t.Fatalf("want %q, got %v", tt.wrong, err)
				}
				return
			}
			if err != nil || next != tt.next || items != tt.items {
				t.Errorf("%d items, next %q, %v", items, next, err)
			}
		})
	}
}

func TestEachReadsAllPages(t *testing.T) {
	a, _ := serve(t, map[string]any{
		"/api/v1/secrets":    objects(500, "p2"),
		"/api/v1/secrets p2": objects(500, "p3"),
		"/api/v1/secrets p3": objects(7, ""),
		"/endless":           objects(1, "e"),
		"/endless e":         objects(1, "e"),
		"/torn":              `{"items":[{}`,
	})
	count := func(path string) (int, error) {
		n := 0
		err := each(t.Context(), a, path, func(object) error { n++; return nil })
		return n, err
	}
	if n, err := count("/api/v1/secrets"); n != 1007 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for path, want := range map[string]string{"/endless": "no end", "/torn": "EOF", "/unknown": "NotFound"} {
		if _, err := count(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want %q, got %v", path, want, err)
		}
	}
}
