package host

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Quote is s as one word of a POSIX shell, whatever it holds but NUL.
func Quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,@+%") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// What a remote shell says on standard error, for us to know how far it came:
// ssh's own exit status 255 is also that of vzdump and of many others. The
// record separator around them keeps them apart from text.
const (
	markReached = "\x1erailiance:reached\x1e"
	mark255     = "\x1erailiance:255\x1e"
)

// shellLine is c as one line for the shell of a remote user. The shell stays
// and waits, since a program that it became could not be told from ssh when it
// exits with 255 or dies of a signal.
func shellLine(c Command) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, `printf '%s' >&2; `, octal(markReached))
	if c.Dir != "" {
		if err := noNUL(c.Dir); err != nil {
			return "", err
		}
		// CDPATH and "-" give cd other meanings.
		fmt.Fprintf(&b, "cd %s && ", Quote(rooted(c.Dir)))
	}
	for _, setting := range c.Env {
		key, value, found := strings.Cut(setting, "=")
		if !found || !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(key) {
			return "", fmt.Errorf("environment: %q is no variable", Printable(key))
		}
		if err := noNUL(value); err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%s=%s ", key, Quote(value))
	}
	for _, arg := range c.Args {
		if err := noNUL(arg); err != nil {
			return "", err
		}
		b.WriteString(Quote(arg) + " ")
	}
	fmt.Fprintf(&b, `; r=$?; [ $r -ne 255 ] || printf '%s' >&2; exit $r`, octal(mark255))
	return b.String(), nil
}

// octal writes a mark so that printf makes it: as it is, it would stand in the
// argument list, where another program could read and repeat it.
func octal(mark string) string { return strings.ReplaceAll(mark, "\x1e", `\036`) }

func rooted(dir string) string {
	if strings.HasPrefix(dir, "/") {
		return dir
	}
	return "./" + dir
}

func noNUL(s string) error {
	if strings.ContainsRune(s, 0) {
		return errors.New("an argument holds a NUL byte")
	}
	return nil
}
