package helmrelease

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestValuesYAML(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
	for _, tt := range []struct{ name, config, want string }{
		{"none", "", "null\n"},
		{"empty", "{}", "{}\n"},
		{"empty inside", `{"a":{},"b":[],"c":null,"d":""}`, "a: {}\nb: []\nc: null\nd: \"\"\n"},
		{"sorted", `{"b":1,"a":2}`, "a: 2\nb: 1\n"},
		{"large integers", `{"a":9007199254740993,"b":123456789012345678901234567890,"c":-1}`,
			"a: 9007199254740993\nb: 123456789012345678901234567890\nc: -1\n"},
		{"floats", `{"a":1.50,"b":1e5,"c":1E-7}`, "a: 1.50\nb: 1e5\nc: 1E-7\n"},
		{"key twice, the last counts", `{"a":1,"a":2}`, "a: 2\n"},
		// Helm reads YAML 1.1: each of these must stay text for it.
		{"text that older YAML takes for something else",
			`{"off":"off","a":"yes","b":"0644","c":"1:30","d":"~","e":"null","f":"1_000","g":"0x1f","h":"2026-11-21","i":"<<","j":"1e3","k":"=","l":".5","m":"0b1","n":"Y","o":".inf","p":"0o7"}`,
			"a: \"yes\"\nb: \"0644\"\nc: \"1:30\"\nd: \"~\"\ne: \"null\"\nf: \"1_000\"\ng: \"0x1f\"\nh: \"2026-11-21\"\ni: \"<<\"\nj: \"1e3\"\nk: \"=\"\nl: \".5\"\nm: \"0b1\"\n" +
				"\"n\": \"Y\"\no: \".inf\"\n\"off\": \"off\"\np: \"0o7\"\n"},
		{"a key that means to merge", `{"<<":{"a":1},"=":2}`, "\"<<\":\n  a: 1\n\"=\": 2\n"},
		{"unicode", `{"grüße":"音楽 \u0000 \ud83d\ude00"}`, "grüße: \"音楽 \\0 \\U0001F600\"\n"},
		{"lines", `{"a":"one\ntwo\n"}`, "a: |\n  one\n  two\n"},
		{"deep", deep, deep + "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := Release{config: json.RawMessage(tt.config)}
			if tt.config == "" {
				r.config = nil
			}
			got, err := r.ValuesYAML()
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			if err := sameValues(got, r); err != nil {
				t.Error(err)
			}
		})
	}
}

func FuzzValues(f *testing.F) {
	for _, s := range []string{"", " ", "\n", "\n a", "a\n\n", " \n\ta\r\n", "- a", "a: b", "#", "!x", "&a", "*a", "%", "@", "`", "'", "\"", "|", ">-",
		"---", "...", "?", "\x7f", "\u0085", "\u2028", "\ufeff", "\ufffe", strings.Repeat("k", 2000), "yes", "0o7", "1e3", "<<"} {
		f.Add(s, "k")
		f.Add("v", s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		config, err := json.Marshal(map[string]any{a: b, "list": []any{b, map[string]string{b: a}, []string{a}}, "map": map[string]any{a: nil, b: 1}})
		if err != nil {
			t.Fatal(err)
		}
		r := Release{config: config}
		text, err := r.ValuesYAML()
		if err != nil {
			t.Fatal(err)
		}
		if err := sameValues(text, r); err != nil {
			t.Errorf("%v:\n%s\n%s", err, config, text)
		}
	})
}
