package host

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hostile are words that a shell would act on, if one of them came to it bare.
func hostile() []string {
	return []string{
		"", " ", "plain", "two words", "it's", "''", `"`, `\`, `\\'`, "$HOME", "$(touch pwned)", "`touch pwned`", "a;touch pwned", "a\ntouch pwned\n",
		"-n", "--", "~", "*", "?", "[a]", "{a,b}", "!x", "!!", "#no comment", "A=b", "&", "|", ">pwned", "<(x)", "\t", "\x1b[31m", "grüße ☃", "\xff\xfe",
		"%s%n", "a\\nb", "end\\", "\r", strings.Repeat("x'", 5000), markReached, mark255,
	}
}

// A word comes through a shell as it was.
func TestQuote(t *testing.T) {
	for _, word := range hostile() {
		out, err := Output(t.Context(), sh("cd "+t.TempDir()+" && printf %s. "+Quote(word)), 1<<20)
		if err != nil || string(out) != word+"." {
			t.Errorf("%.40q came through as %.40q, %v", word, out, err)
		}
	}
	// What needs no quotes has none: a person reads these lines.
	for _, word := range []string{"pvesh", "--output-format", "/cluster/resources", "local:vm-1_0", "a@b"} {
		if Quote(word) != word {
			t.Errorf("%s is %s", word, Quote(word))
		}
	}
}

func FuzzQuote(f *testing.F) {
	for _, word := range hostile() {
		f.Add(word)
	}
	f.Fuzz(func(t *testing.T, word string) {
		if strings.ContainsRune(word, 0) || len(word) > 10000 {
			t.Skip()
		}
		out, err := Output(t.Context(), sh("printf %s. "+Quote(word)), 1<<20)
		if err != nil || string(out) != word+"." {
			t.Errorf("%q came through as %q, %v", word, out, err)
		}
	})
}

// fakeSSH puts an ssh into PATH that gives its last argument to a shell, as
// sshd does, after the lines of before.
func fakeSSH(t *testing.T, before string) {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\n" + before + "\nfor last; do :; done\nexec /bin/sh -c \"$last\"\n"
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// Arguments, environment and folder come through ssh's one line as they were.
func TestRemoteArguments(t *testing.T) {
	fakeSSH(t, "")
	remoteArguments(t, Remote{Target: "ebony"})
}

// remoteArguments is run over the fake and over a real sshd.
func remoteArguments(t *testing.T, r Remote) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "it's a $(touch pwned) folder")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	words := hostile()
	c := r.Command(Command{Args: append([]string{"printf", "%s\\0"}, words...), Dir: dir})
	out, err := Output(t.Context(), c, 1<<20)
	if want := strings.Join(words, "\x00") + "\x00"; err != nil || string(out) != want {
		t.Errorf("arguments: %v, %.200q", err, out)
	}
	var env []string
	line := "pwd"
	for i, word := range words {
		env = append(env, fmt.Sprintf("WORD%d=%s", i, word))
		line += fmt.Sprintf(`; printf '%%s\0' "$WORD%d"`, i)
	}
	out, err = Output(t.Context(), r.Command(Command{Args: []string{"sh", "-c", line}, Env: env, Dir: dir}), 1<<20)
	if want := dir + "\n" + strings.Join(words, "\x00") + "\x00"; err != nil || string(out) != want {
		t.Errorf("environment: %v, %.200q", err, out)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("a word was acted on: %v, %v", left, err)
	}
}

func TestRemoteRefuses(t *testing.T) {
	ran := filepath.Join(t.TempDir(), "ran")
	fakeSSH(t, "touch "+ran)
	open := t.TempDir()
	if err := os.Chmod(open, 0o755); err != nil {
		t.Fatal(err)
	}
	ok := []string{"true"}
	for want, test := range map[string]struct {
		r Remote
		c Command
	}{
		"is empty":               {Remote{}, Command{Args: ok}},
		"begins like an option":  {Remote{Target: "-oProxyCommand=touch x"}, Command{Args: ok}},
		"holds other characters": {Remote{Target: "ebony evil"}, Command{Args: ok}},
		"other characters":       {Remote{Target: "ebony\n"}, Command{Args: ok}},
		"than letters":           {Remote{Target: "`id`"}, Command{Args: ok}},
		"has 301 bytes":          {Remote{Target: strings.Repeat("a", 301)}, Command{Args: ok}},
		"negative":               {Remote{Target: "a", ConnectTimeout: -1}, Command{Args: ok}},
		"is not Key=value":       {Remote{Target: "a", Options: []string{"Port=1\nProxyCommand=x"}}, Command{Args: ok}},
		"no absolute path":       {Remote{Target: "a", ControlDir: "/tmp/${HOME}"}, Command{Args: ok}},
		"a socket's path":        {Remote{Target: "a", ControlDir: "/tmp/" + strings.Repeat("x", 80)}, Command{Args: ok}},
		"mode 0700":              {Remote{Target: "a", ControlDir: open}, Command{Args: ok}},
		"no such file":           {Remote{Target: "a", ControlDir: "/tmp/none-of-this-name"}, Command{Args: ok}},
		"NUL byte":               {Remote{Target: "a"}, Command{Args: []string{"echo", "a\x00b"}}},
		"is no variable":         {Remote{Target: "a"}, Command{Args: ok, Env: []string{"a b=c"}}},
		"no program to run":      {Remote{Target: "a"}, Command{}},
		"remote already":         {Remote{Target: "a"}, Remote{Target: "b"}.Command(Command{Args: ok})},
	} {
		if err := Run(t.Context(), test.r.Command(test.c)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("ssh was started all the same")
	}
}
