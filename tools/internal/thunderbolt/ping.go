package thunderbolt

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ParsePing reads what iputils' ping says.
func ParsePing(text string) (Ping, error) {
	var p Ping
	m := regexp.MustCompile(`(?m)^(\d{1,6}) packets transmitted, (\d{1,6}) received`).FindStringSubmatch(text)
	if m == nil {
		// It did not come to send.
		for line := range strings.Lines(text) {
			if said, is := strings.CutPrefix(strings.TrimSpace(line), "ping: "); is {
				p.Said = clean(said)
				return p, nil
			}
		}
		return p, errors.New("makes no sense")
	}
	p.Sent, _ = strconv.Atoi(m[1]) // six digits at most
	p.Received, _ = strconv.Atoi(m[2])
	if p.Received > p.Sent {
		p.Received = p.Sent // duplicates; a storm makes them
	}
	if m := regexp.MustCompile(`local error: (message too long, mtu=\d{1,6})`).FindStringSubmatch(text); m != nil {
		p.Said = m[1]
	}
	if m := regexp.MustCompile(`(?m)^rtt min/avg/max/mdev = [\d.]{1,20}/([\d.]{1,20})/`).FindStringSubmatch(text); m != nil {
		if ms, err := strconv.ParseFloat(m[1], 64); err == nil {
			p.Latency = time.Duration(ms * float64(time.Millisecond))
		}
	}
	return p, nil
}
