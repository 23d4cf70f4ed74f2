package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// resolveToken finds the token's password: flag or environment, then the file
// the flag names, then what an earlier start left in the data folder. It is
// "" when nobody gave one.
func resolveToken(o *options, l layout) (string, error) {
	switch {
	case o.token != "":
		return tokenPassword(o.token)
	case o.tokenFile != "":
		raw, err := os.ReadFile(o.tokenFile)
		if err != nil {
			return "", fmt.Errorf("token file: %w", err)
		}
		return tokenPassword(strings.TrimSpace(string(raw)))
	}
	raw, err := os.ReadFile(l.path("token"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("token file: %w", err)
	}
	return tokenPassword(strings.TrimSpace(string(raw)))
}

// tokenPassword takes the secret out of a full token (K10<hash>::user:secret)
// or returns a short one as it is.
func tokenPassword(token string) (string, error) {
	full, isFull := strings.CutPrefix(token, "K10")
	if !isFull {
		return token, nil
	}
	_, creds, ok := strings.Cut(full, "::")
	if !ok {
		// A short token may begin with K10 by chance.
		return token, nil
	}
	_, password, ok := strings.Cut(creds, ":")
	if !ok || password == "" {
		return "", errors.New("invalid token CA hash or credentials in token")
	}
	return password, nil
}

func newPassword() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// writeTokens leaves the full token where the documentation tells people to
// back it up from.
func writeTokens(l layout, password string) error {
	ca, err := os.ReadFile(l.path("tls/server-ca.crt"))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(ca)
	full := "K10" + hex.EncodeToString(sum[:]) + "::server:" + password + "\n"
	if err := os.WriteFile(l.path("token"), []byte(full), 0o600); err != nil {
		return err
	}
	for _, name := range []string{"node-token", "agent-token"} {
		if err := os.Remove(l.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Symlink(l.path("token"), l.path(name)); err != nil {
			return err
		}
	}
	return nil
}
