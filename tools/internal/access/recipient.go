package access

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
)

type parsed struct {
	recipient   age.Recipient
	postQuantum bool
	id          string // equal for two spellings of one key
}

// parseRecipient understands one recipient. Its errors never quote text that
// is not certainly public: somebody may have pasted the wrong line.
func parseRecipient(s string) (parsed, error) {
	fields := strings.Fields(s)
	switch {
	case secret(s):
		return parsed{}, errors.New("this is a PRIVATE key (not shown here), and whoever can read this file now has it: " +
			"put the public key in its place (age-keygen -y prints it), make a new pair and encrypt anew what the old one could open")
	case strings.ContainsAny(s, "\r\n\x00"):
		return parsed{}, errors.New("a recipient goes over more than one line, and sops would use the first line alone; put commas between several, or make it a list")
	case strings.HasPrefix(s, "age1pq1"):
		r, err := age.ParseHybridRecipient(s)
		if err != nil {
			return parsed{}, malformed(s)
		}
		return parsed{recipient: r, postQuantum: true, id: s}, nil
	case strings.HasPrefix(s, "age1") && strings.Count(s, "1") > 1:
		return parsed{}, fmt.Errorf("%s belongs to an age plugin, and a scheduled backup cannot run one; use a recipient that starts with age1 or age1pq1, or an ssh key", brief(s))
	case strings.HasPrefix(s, "age1"):
		r, err := age.ParseX25519Recipient(s)
		if err != nil {
			return parsed{}, malformed(s)
		}
		return parsed{recipient: r, id: s}, nil
	case strings.HasPrefix(s, "ssh-"):
		return parseSSH(s, fields)
	}
	return parsed{}, errors.New("a recipient is of no known kind (not shown, it may be private); it must start with age1, age1pq1, ssh-ed25519 or ssh-rsa")
}

func parseSSH(s string, fields []string) (parsed, error) {
	if fields[0] != "ssh-ed25519" && fields[0] != "ssh-rsa" {
		return parsed{}, errors.New("this kind of ssh key cannot be a recipient; age knows ssh-ed25519 and ssh-rsa")
	}
	for _, f := range fields[1:] {
		// Folded text joins two keys with a space, and the second would
		// pass for the comment of the first.
		if strings.HasPrefix(f, "ssh-") || strings.HasPrefix(f, "age1") {
			return parsed{}, errors.New("two recipients stand behind each other without a comma, and sops would use the first alone; put a comma between them, or make it a list")
		}
	}
	r, err := agessh.ParseRecipient(s)
	if err != nil {
		return parsed{}, fmt.Errorf("the %s key is damaged or shorter than 2048 bits; copy the line from the .pub file again", fields[0])
	}
	return parsed{recipient: r, id: fields[0] + " " + fields[1]}, nil
}

// malformed does not pass on the cause that age gives, which quotes all of
// the text; a wrong checksum is a copying mistake, whatever its details.
func malformed(s string) error {
	return fmt.Errorf("%s is damaged or incomplete (%d characters); copy the public key again", brief(s), len(s))
}

// brief shortens a public key so that a person still recognises it.
func brief(s string) string {
	const most = 24
	if fields := strings.Fields(s); len(fields) > 1 && strings.HasPrefix(s, "ssh-") {
		return fields[0] + " …" + fields[1][max(0, len(fields[1])-8):]
	}
	if len(s) <= most {
		return fmt.Sprintf("%q", s)
	}
	return strings.Trim(fmt.Sprintf("%q", s[:most]), `"`) + "…"
}

var secrets = regexp.MustCompile(`(?i)AGE-(SECRET-KEY|PLUGIN)-[^\s"'` + "`" + `]*|-----BEGIN[^-]*PRIVATE KEY.*`)

// secret tells whether s holds a private key of any kind that we know, or a
// piece of one.
func secret(s string) bool {
	return secrets.MatchString(s) || strings.Contains(s, "b3BlbnNzaC1rZXktdjE")
}

// redact cleans the messages of other packages, which quote what they read.
func redact(s string) string { return secrets.ReplaceAllString(s, "(private key, not shown)") }
