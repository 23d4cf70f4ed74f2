package sign

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// options reads what stands between the principals and the key.
func (s *signer) options(list string) error {
	for list != "" {
		var option string
		var err error
		if option, list, err = nextOption(list); err != nil {
			return err
		}
		name, value, hasValue := strings.Cut(option, "=")
		name = strings.ToLower(name)
		if name == "cert-authority" {
			return errors.New("cert-authority is not supported: every key that signs manifests stands in this file itself")
		}
		if !hasValue {
			return fmt.Errorf("the option %.40q is unknown", name)
		}
		if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
			return fmt.Errorf("the value of %.40s must stand in double quotes", name)
		}
		if err := s.option(name, strings.ReplaceAll(value[1:len(value)-1], `\"`, `"`)); err != nil {
			return err
		}
	}
	if !s.after.IsZero() && !s.before.IsZero() && !s.before.After(s.after) {
		return errors.New("valid-before is not later than valid-after, so the key is never valid")
	}
	return nil
}

func (s *signer) option(name, value string) (err error) {
	twice := false
	switch name {
	case "namespaces":
		twice = s.limited
		s.namespaces, s.limited = value, true
		if value == "" {
			return errors.New("namespaces is empty, so the key is for nothing")
		}
	case "valid-after":
		twice = !s.after.IsZero()
		s.after, err = parseTime(value)
	case "valid-before":
		twice = !s.before.IsZero()
		s.before, err = parseTime(value)
	default:
		return fmt.Errorf("the option %.40q is unknown", name)
	}
	if twice {
		return fmt.Errorf("%s is given twice", name)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// parseTime reads YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS; in UTC with a Z
// behind it, else in the zone of this machine.
func parseTime(s string) (time.Time, error) {
	zone := time.Local
	digits := s
	if cut, ok := strings.CutSuffix(s, "Z"); ok {
		zone, digits = time.UTC, cut
	}
	const layout = "20060102150405"
	switch len(digits) {
	case 8, 12, 14:
		if t, err := time.ParseInLocation(layout[:len(digits)], digits, zone); err == nil && t.Unix() > 0 {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%.40q is not a time: write 20261231, 202612312359 or 20261231235959, with Z for UTC", s)
}
