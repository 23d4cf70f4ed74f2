package setrun

import (
	"fmt"
	"strings"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/tell"
)

// What somebody else's objects make us say must not fill the manifest.
const (
	mostFindings = 20 // of one asset
	mostText     = 4 << 10
)

// Short is s on one line and not too long for a manifest.
func Short(s string) string {
	s = tell.Line(s)
	if len(s) > mostText {
		s = strings.ToValidUTF8(s[:mostText], "") + " …"
	}
	return s
}

// Findings are those of one asset as a manifest takes them. They are told.
func Findings(t *tell.Teller, asset string, all []catalog.Finding) []catalog.Finding {
	var kept []catalog.Finding
	for i, f := range all {
		if i == mostFindings {
			f = catalog.Finding{What: fmt.Sprintf("and %d more", len(all)-i)}
		} else if i > mostFindings {
			break
		}
		f.Asset, f.What = asset, Short(f.What)
		kept = append(kept, f)
		if f.Why != "" {
			f.What += " (" + f.Why + ")"
		}
		t.Warn(asset, "%s", f.What)
	}
	return kept
}
