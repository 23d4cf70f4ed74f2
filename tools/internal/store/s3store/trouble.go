package s3store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/store/wire"
	"github.com/railiance/railiance/tools/internal/tell"
)

func (s *Site) try(ctx context.Context, f func() error) error {
	return wire.Try(ctx, s.pause, transient, f)
}

// reply is the answer of the service in an error.
func reply(err error) (minio.ErrorResponse, bool) {
	var r minio.ErrorResponse
	ok := errors.As(err, &r)
	return r, ok
}

func code(err error) string {
	r, _ := reply(err)
	return r.Code
}

// transient says whether asking again may help.
func transient(err error) bool {
	if r, ok := reply(err); ok {
		switch r.Code {
		case "SlowDown", "InternalError", "RequestTimeout", "OperationAborted", "ConditionalRequestConflict":
			return true
		}
		switch r.StatusCode {
		case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
			http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	return wire.Broken(err)
}

// short is what a service said, as far as a line has room.
func short(s string) string {
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	return host.Printable(s)
}

// explain says in words what went wrong, and what a person can do.
func (s *Site) explain(what string, err error) error {
	fail := func(sentence string) error {
		return fmt.Errorf("store: %s: %s: %s: %w", s.Where(), what, sentence, err)
	}
	r, ok := reply(err)
	if !ok {
		return fmt.Errorf("store: %s: %s: %w", s.Where(), what, wire.Plain(err))
	}
	tries := strings.TrimSuffix(err.Error(), r.Error())
	err = &wire.Said{Text: fmt.Sprintf("%s%s (%s, status %d)", tries, short(r.Message), short(r.Code), r.StatusCode), Err: err}
	switch r.Code {
	case minio.NoSuchKey:
		return fmt.Errorf("store: %s: %s: %w", s.Where(), what, fs.ErrNotExist)
	case minio.PreconditionFailed, "ConditionalRequestConflict":
		return fmt.Errorf("store: %s: %s: %w", s.Where(), what, fs.ErrExist)
	case minio.NoSuchBucket:
		return tell.Hint(fail("the bucket does not exist"), "create the bucket %s, or mend its name in the cluster context", s.Bucket)
	case "SignatureDoesNotMatch", "InvalidAccessKeyId", "InvalidAccessKey", "XAdminUserNotFound", "InvalidToken", "ExpiredToken", "TokenRefreshRequired":
		return tell.Hint(fail("the service refuses the credentials"), "mend the access key and the secret key in the sops file of this store")
	case "RequestTimeTooSkewed", "RequestExpired":
		ahead := time.Duration(s.clock.ahead.Load()).Round(time.Minute)
		return tell.Hint(fail(fmt.Sprintf("the clocks differ too much; the server's is %s ahead of ours", ahead)), "set the clock: timedatectl set-ntp true")
	case "AuthorizationHeaderMalformed", "InvalidRegion", "PermanentRedirect", "TemporaryRedirect":
		return tell.Hint(fail("this is not the region of the bucket"), "set \"region\" of the store in the cluster context; the service says %q", short(r.Region))
	case minio.AccessDenied, "AllAccessDisabled":
		return tell.Hint(fail("the credentials do not allow this"),
			"grant s3:ListBucket, s3:ListBucketMultipartUploads, s3:GetObject, s3:PutObject, s3:AbortMultipartUpload and s3:DeleteObject on %s", s.Bucket)
	case "QuotaExceeded", "XMinioStorageFull", "EntityTooLarge":
		return tell.Hint(fail("there is no room"), "prune, or raise the quota of the bucket")
	}
	if transient(err) {
		return tell.Hint(fail("the service is overloaded or down"), "run it again later")
	}
	return fail("the service refuses it")
}
