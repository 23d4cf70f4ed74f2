package layercli

import (
	"fmt"

	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/sign"
)

// Signing says with which key a backup would be signed. It warns where one would
// be made that nobody could verify.
func Signing(sh *plugin.Shell, l *layer.Layer) (string, error) {
	signer, err := sign.Load(l.SignKey)
	if err != nil {
		return "", err
	}
	trusted, err := sign.LoadTrust(l.Signers)
	if err == nil && !trusted.Trusts(signer.PublicKey(), sh.Now()) {
		err = fmt.Errorf("%s does not trust %s, with which this host signs", l.Signers, signer.Fingerprint())
	}
	if err != nil {
		sh.Tell.Warn("", "nobody could verify the backup yet: %v; make trust pins this host's key", err)
	}
	return fmt.Sprintf("sign with %s, %s", l.SignKey, signer.Fingerprint()), nil
}
