package setrun

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/railiance/railiance/tools/internal/sign"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Keys sign sets and tell whose sets count.
type Keys struct {
	Signer *sign.Signer
	Trust  *sign.Trust // the signer among them: a machine knows what it signed
}

// LoadKeys loads the signing key and the file of those who may sign. A backup
// that nobody can verify yet is still better than none: that is told, and no
// error.
func LoadKeys(key, signers string, now time.Time, teller *tell.Teller) (Keys, error) {
	signer, err := sign.Load(key)
	if err != nil {
		return Keys{}, err
	}
	trust, err := sign.LoadTrust(signers)
	switch {
	case errors.Is(err, os.ErrNotExist):
		teller.Fail("", tell.Hint(fmt.Errorf("%s is missing: nobody can verify these backups yet", signers),
			"make trust pins this host's key; commit the file"))
	case err != nil:
		return Keys{}, err
	case !trust.Trusts(signer.PublicKey(), now):
		teller.Fail("", tell.Hint(fmt.Errorf("%s does not trust %s, with which this host signs: nobody can verify these backups yet",
			signers, signer.Fingerprint()), "make trust pins this host's key; commit the file"))
	}
	return Keys{Signer: signer, Trust: signer.And(trust)}, nil
}
