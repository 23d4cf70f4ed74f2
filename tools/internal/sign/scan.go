package sign

import (
	"errors"
	"strings"
)

// cutSpace cuts s around its first run of blanks.
func cutSpace(s string) (before, after string, found bool) {
	i := strings.IndexAny(s, " \t")
	if i < 0 {
		return s, "", false
	}
	return s[:i], strings.TrimLeft(s[i:], " \t"), true
}

// cutQuoted is cutSpace for options, where a blank may stand within quotes.
func cutQuoted(s string) (before, after string, err error) {
	i, err := endOf(s, " \t")
	if err != nil {
		return "", "", err
	}
	return s[:i], strings.TrimLeft(s[i:], " \t"), nil
}

func nextOption(list string) (option, rest string, err error) {
	i, err := endOf(list, ",")
	if err != nil {
		return "", "", err
	}
	if i == len(list) {
		return list, "", nil
	}
	if i == 0 || i == len(list)-1 {
		return "", "", errors.New("an option is empty")
	}
	return list[:i], list[i+1:], nil
}

// endOf returns where the first of the stops is that no quotes surround.
func endOf(s, stops string) (int, error) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '"':
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && strings.IndexByte(stops, s[i]) >= 0:
			return i, nil
		}
	}
	if quoted {
		return 0, errors.New("a quote in the options does not end")
	}
	return len(s), nil
}

// matchList is OpenSSH's pattern list: one pattern must match, and none of
// those with a "!" before them.
func matchList(s, list string) bool {
	matched := false
	for pattern := range strings.SplitSeq(list, ",") {
		if not, ok := strings.CutPrefix(pattern, "!"); ok {
			if matchPattern(s, not) {
				return false
			}
			continue
		}
		matched = matched || matchPattern(s, pattern)
	}
	return matched
}

// matchPattern knows * and ?. It remembers only the last star, which is
// enough, and keeps a hostile pattern from taking exponential time.
func matchPattern(s, pattern string) bool {
	i, p, star, from := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			i++
			p++
		case star >= 0:
			from++
			i, p = from, star+1
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
