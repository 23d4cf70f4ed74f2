package thunderbolt

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// BridgeID is a bridge in spanning tree, as a number that decides: the lowest
// leads. 0 is none.
type BridgeID uint64

// parseBridgeID reads iproute2's "8000.a:5b:b8:4e:46:d6".
func parseBridgeID(s string) (BridgeID, error) {
	if s == "" {
		return 0, nil
	}
	priority, mac, found := strings.Cut(s, ".")
	bytes := strings.Split(mac, ":")
	if !found || len(bytes) != 6 || len(priority) > 4 {
		return 0, fmt.Errorf("%q is no bridge", clean(s))
	}
	id, err := strconv.ParseUint(priority, 16, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is no bridge", clean(s))
	}
	for _, b := range bytes {
		v, err := strconv.ParseUint(b, 16, 8)
		if err != nil {
			return 0, fmt.Errorf("%q is no bridge", clean(s))
		}
		id = id<<8 | v
	}
	return BridgeID(id), nil
}

// macOf is the MAC in a bridge ID.
func (b BridgeID) mac() string {
	var raw [8]byte
	for i := range raw {
		raw[7-i] = byte(b >> (8 * i))
	}
	digits := hex.EncodeToString(raw[2:])
	var parts []string
	for i := 0; i < len(digits); i += 2 {
		parts = append(parts, digits[i:i+2])
	}
	return strings.Join(parts, ":")
}

// leads compares what two ports of one cable claim: negative if a's claim is
// the better one, which b would follow if it heard it.
func leads(a, b Port) int {
	return cmp.Or(cmp.Compare(a.Root, b.Root), cmp.Compare(a.RootCost, b.RootCost),
		cmp.Compare(a.Designated, b.Designated), cmp.Compare(a.From, b.From))
}
