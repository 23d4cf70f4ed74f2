package helmrelease

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

// maxRecord bounds one decoded record. The API server takes no object over
// 3 MB, and Helm's own records compress some five times; a payload that grows
// beyond this is not a release but a bomb.
const maxRecord = 32 << 20

var gzipMagic = []byte{0x1f, 0x8b, 0x08}

// decodePayload gives the JSON of a release from the text under the key
// "release". A Secret's value has one layer of base64 more than a ConfigMap's:
// the API's own. A payload without gzip's magic is JSON as it stands: records
// of old, and Helm reads them too.
func decodePayload(text string, kind Kind) ([]byte, error) {
	var r io.Reader = strings.NewReader(text)
	if kind == Secret {
		r = base64.NewDecoder(base64.StdEncoding, r)
	}
	r = base64.NewDecoder(base64.StdEncoding, r)

	head := make([]byte, len(gzipMagic))
	n, err := io.ReadFull(r, head)
	switch {
	case err == io.EOF:
		return nil, errors.New("the payload is empty")
	case err != nil && err != io.ErrUnexpectedEOF:
		return nil, fmt.Errorf("base64: %w", err)
	}
	r = io.MultiReader(bytes.NewReader(head[:n]), r)
	what := "base64"
	if bytes.Equal(head[:n], gzipMagic) {
		what = "gzip"
		if r, err = gzip.NewReader(r); err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
	}

	// A guess that fits most records saves the copies of a growing buffer.
	out := bytes.NewBuffer(make([]byte, 0, min(4*len(text)+512, 8<<20)))
	switch n, err := io.Copy(out, io.LimitReader(r, maxRecord+1)); {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", what, err)
	case n > maxRecord:
		return nil, fmt.Errorf("decodes to more than %d MiB", maxRecord>>20)
	}
	return out.Bytes(), nil
}

// record is the part of Helm's JSON that we look at.
type record struct {
	Name        string          `json:"name"`
	Namespace   string          `json:"namespace"`
	Version     int             `json:"version"`
	Config      json.RawMessage `json:"config"`
	ApplyMethod string          `json:"apply_method"`
	Info        struct {
		FirstDeployed stamp  `json:"first_deployed"`
		LastDeployed  stamp  `json:"last_deployed"`
		Deleted       stamp  `json:"deleted"`
		Description   string `json:"description"`
		Status        string `json:"status"`
	} `json:"info"`
	Chart struct {
		Metadata struct {
			Name       string `json:"name"`
			Version    string `json:"version"`
			AppVersion string `json:"appVersion"`
			Source
		} `json:"metadata"`
	} `json:"chart"`
}

// stamp is a time that may be empty, as "deleted" mostly is. What does not
// read as a time is taken as none: it is not worth losing a release's values.
type stamp struct{ time.Time }

func (s *stamp) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) != nil {
		return nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		s.Time = t.UTC()
	}
	return nil
}

// parseRecord reads a decoded payload into r; the identity is not yet checked.
func parseRecord(payload []byte, r *Release) error {
	var rec record
	if err := json.Unmarshal(payload, &rec); err != nil {
		return fmt.Errorf("json: %w", blind(err))
	}
	if rec.Namespace != r.Namespace {
		return fmt.Errorf("the record says namespace %s, but it is stored in %s",
			printable(rec.Namespace), printable(r.Namespace))
	}
	switch config := bytes.TrimSpace(rec.Config); {
	case len(config) == 0, bytes.Equal(config, []byte("null")):
		r.config = nil
	case config[0] == '{':
		r.config = rec.Config
	default:
		return errors.New("json: the values are not a map")
	}
	r.Name, r.Revision, r.ApplyMethod = rec.Name, rec.Version, rec.ApplyMethod
	r.Status, r.Description = rec.Info.Status, rec.Info.Description
	r.FirstDeployed, r.LastDeployed, r.Deleted = rec.Info.FirstDeployed.Time, rec.Info.LastDeployed.Time, rec.Info.Deleted.Time
	m := rec.Chart.Metadata
	r.Chart, r.ChartVersion, r.AppVersion, r.Source = m.Name, m.Version, m.AppVersion, m.Source
	r.Record = payload
	return nil
}

// blind keeps from a JSON error what cannot quote the data, which may be a
// password: the kind of fault and where it lies.
func blind(err error) error {
	var syntax *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("broken at byte %d", syntax.Offset)
	case errors.As(err, &wrong):
		return fmt.Errorf("field %q has the wrong type", wrong.Field)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return errors.New("cannot be read")
}
