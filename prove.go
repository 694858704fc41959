package holdfast

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// ProofClaims is what a proof is made for. The jti is always fresh: 128 random
// bits. The zero value is refused.
type ProofClaims struct {
	Method string    // HTTP method as it will be sent, case included
	URL    *url.URL  // target; query and fragment are left out
	Token  Secret    // access token that the request carries, if any: adds ath
	Nonce  string    // latest DPoP-Nonce of that server, if any
	Time   time.Time // zero means now
}

// MaxNonceBytes is the longest nonce that is put into a proof or accepted in one.
const MaxNonceBytes = 4096

// Prove makes a new proof (RFC 9449 section 4.2). Every request needs its own:
// call Prove again for a retry, a redirect or a new token.
func (k *Key) Prove(c ProofClaims) (string, error) {
	if k == nil || k.signer == nil {
		return "", errors.New("prove: no key")
	}
	htu, err := proofURL(c.URL)
	if err != nil {
		return "", fmt.Errorf("prove: %w", err)
	}
	if c.Method == "" || keepRunes(c.Method, isTokenChar) != c.Method {
		return "", errors.New("prove: method is empty or not a token")
	}
	if !validNonce(c.Nonce) && c.Nonce != "" {
		return "", errors.New("prove: nonce has a character outside the set of RFC 9449 section 8.1, or is too long")
	}
	at := c.Time
	if at.IsZero() {
		at = time.Now()
	}
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return "", fmt.Errorf("prove: %w", err)
	}
	b := make([]byte, 0, 320)
	b = append(b, `{"jti":"`...)
	b = append(b, jose.EncodeSegment(id[:])...)
	b = append(b, `","htm":"`...)
	b = append(b, c.Method...)
	b = append(b, `","htu":"`...)
	b = append(b, htu...)
	b = append(b, `","iat":`...)
	b = strconv.AppendInt(b, at.Unix(), 10)
	if !c.Token.IsZero() {
		sum := sha256.Sum256([]byte(c.Token.s))
		b = append(b, `,"ath":"`...)
		b = append(b, jose.EncodeSegment(sum[:])...)
		b = append(b, '"')
	}
	if c.Nonce != "" {
		b = append(b, `,"nonce":"`...)
		b = append(b, c.Nonce...)
		b = append(b, '"')
	}
	b = append(b, '}')
	proof, err := jose.SignSegments(k.signer, k.alg, k.header, string(b))
	if err != nil {
		return "", fmt.Errorf("prove: %w", err)
	}
	return proof, nil
}

// proofURL returns the htu for a target. Nothing in it needs JSON escaping: a
// host or path with such a character is refused or percent-encoded by net/url.
func proofURL(u *url.URL) (string, error) {
	if u == nil || u.Host == "" || u.Scheme == "" {
		return "", errors.New("target needs an absolute URL")
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	s := u.Scheme + "://" + u.Host + path
	for i := 0; i < len(s); i++ {
		if !isQuotable(s[i]) || s[i] == ' ' {
			return "", fmt.Errorf("target URL has a character that is not allowed at offset %d", i)
		}
	}
	return s, nil
}

// validNonce reports whether s is 1*NQCHAR (RFC 9449 section 8.1) of at most
// MaxNonceBytes.
func validNonce(s string) bool {
	if s == "" || len(s) > MaxNonceBytes {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] == ' ' || !isQuotable(s[i]) {
			return false
		}
	}
	return true
}
