package interop

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	gojose "github.com/go-jose/go-jose/v4"
	gojwt "github.com/golang-jwt/jwt/v5"

	"github.com/holdfast-oauth/holdfast"
)

// Two proof verifiers as a careful user writes them over a general library:
// RFC 9449 section 4.3 line by line, ES256 only, replays in a map. They are what
// bench_test.go measures ours against, so they have to be right for what it feeds
// them; what else they accept is in the strictness table.

// handMade verifies a proof for a request, and for a token unless it is empty.
// It returns the thumbprint of the key.
type handMade interface {
	verify(proof, method, url, token string) (string, error)
}

// proofClaims are the claims of a proof, for encoding/json.
type proofClaims struct {
	ID     string `json:"jti"`
	Method string `json:"htm"`
	URL    string `json:"htu"`
	Issued *int64 `json:"iat"`
	Hash   string `json:"ath"`
}

// replays remembers what was used, until it is too old to be accepted.
type replays struct {
	mu     sync.Mutex
	seen   map[string]time.Time
	sweeps time.Time
}

func newReplayMap() *replays { return &replays{seen: map[string]time.Time{}} }

// first reports whether id was not used before.
func (r *replays) first(id string, now, until time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.After(r.sweeps) {
		for k, end := range r.seen {
			if now.After(end) {
				delete(r.seen, k)
			}
		}
		r.sweeps = now.Add(time.Minute)
	}
	if _, used := r.seen[id]; used {
		return false
	}
	r.seen[id] = until
	return true
}

// check is what is the same over both libraries: everything but the signature
// and, last, the replay.
func (c *proofClaims) check(now time.Time, method, url, token string) error {
	if c.ID == "" || c.Issued == nil {
		return errors.New("claim is missing")
	}
	if c.Method != method {
		return fmt.Errorf("htm is %q", c.Method)
	}
	if c.URL != url {
		return fmt.Errorf("htu is %q", c.URL)
	}
	if at := time.Unix(*c.Issued, 0); now.Sub(at) > time.Minute || at.Sub(now) > 10*time.Second {
		return errors.New("iat is outside the window")
	}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		if c.Hash != base64.RawURLEncoding.EncodeToString(sum[:]) {
			return errors.New("ath is of another token")
		}
	}
	return nil
}

// overGolangJWT has to read the key itself: the library has no JWK.
type overGolangJWT struct {
	parser  *gojwt.Parser
	now     func() time.Time
	replays *replays
}

func newOverGolangJWT(now func() time.Time) *overGolangJWT {
	return &overGolangJWT{
		parser: gojwt.NewParser(gojwt.WithValidMethods([]string{"ES256"}), gojwt.WithStrictDecoding(), gojwt.WithoutClaimsValidation()),
		now:    now, replays: newReplayMap(),
	}
}

// golangClaims are the claims as the library wants them.
type golangClaims struct {
	proofClaims
	noClaims
}

func (v *overGolangJWT) verify(proof, method, url, token string) (string, error) {
	var claims golangClaims
	var thumbprint string
	_, err := v.parser.ParseWithClaims(proof, &claims, func(t *gojwt.Token) (any, error) {
		if t.Header["typ"] != proofType {
			return nil, errors.New("typ is not dpop+jwt")
		}
		key, name, err := p256Key(t.Header["jwk"])
		thumbprint = name
		return key, err
	})
	if err != nil {
		return "", err
	}
	now := v.now()
	if err := claims.check(now, method, url, token); err != nil {
		return "", err
	}
	if !v.replays.first(thumbprint+" "+claims.ID, now, now.Add(70*time.Second)) {
		return "", errors.New("proof was used before")
	}
	return thumbprint, nil
}

// noClaims satisfies the interface of golang-jwt without claims of its own.
type noClaims struct{}

func (noClaims) GetExpirationTime() (*gojwt.NumericDate, error) { return nil, nil }
func (noClaims) GetIssuedAt() (*gojwt.NumericDate, error)       { return nil, nil }
func (noClaims) GetNotBefore() (*gojwt.NumericDate, error)      { return nil, nil }
func (noClaims) GetIssuer() (string, error)                     { return "", nil }
func (noClaims) GetSubject() (string, error)                    { return "", nil }
func (noClaims) GetAudience() (gojwt.ClaimStrings, error)       { return nil, nil }

// p256Key reads a public P-256 key and makes its thumbprint.
func p256Key(jwk any) (*ecdsa.PublicKey, string, error) {
	m, ok := jwk.(map[string]any)
	if !ok || m["kty"] != "EC" || m["crv"] != "P-256" {
		return nil, "", errors.New("jwk is no P-256 key")
	}
	if _, private := m["d"]; private {
		return nil, "", errors.New("jwk is private")
	}
	xText, _ := m["x"].(string)
	yText, _ := m["y"].(string)
	x, errX := base64.RawURLEncoding.Strict().DecodeString(xText)
	y, errY := base64.RawURLEncoding.Strict().DecodeString(yText)
	if err := errors.Join(errX, errY); err != nil || len(x) != 32 || len(y) != 32 {
		return nil, "", errors.New("jwk has a bad coordinate")
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + xText + `","y":"` + yText + `"}`))
	return key, base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

// overGoJose has JWK, thumbprints and the header from the library.
type overGoJose struct {
	now     func() time.Time
	replays *replays
}

func newOverGoJose(now func() time.Time) *overGoJose { return &overGoJose{now, newReplayMap()} }

func (v *overGoJose) verify(proof, method, url, token string) (string, error) {
	j, err := gojose.ParseSignedCompact(proof, []gojose.SignatureAlgorithm{gojose.ES256})
	if err != nil {
		return "", err
	}
	header := j.Signatures[0].Protected
	if header.ExtraHeaders[gojose.HeaderType] != proofType {
		return "", errors.New("typ is not dpop+jwt")
	}
	key := header.JSONWebKey
	if key == nil || !key.Valid() || !key.IsPublic() {
		return "", errors.New("jwk is no public key")
	}
	payload, err := j.Verify(key)
	if err != nil {
		return "", err
	}
	var claims proofClaims
	if err := json.Unmarshal(payload, &claims); err != nil {
		return "", err
	}
	now := v.now()
	if err := claims.check(now, method, url, token); err != nil {
		return "", err
	}
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", err
	}
	thumbprint := base64.RawURLEncoding.EncodeToString(sum)
	if !v.replays.first(thumbprint+" "+claims.ID, now, now.Add(70*time.Second)) {
		return "", errors.New("proof was used before")
	}
	return thumbprint, nil
}

func TestHandMadeVerifiers(t *testing.T) {
	const token = "token-1"
	now := func() time.Time { return testTime }
	makers := map[string]func() handMade{
		golangJWT: func() handMade { return newOverGolangJWT(now) },
		goJose:    func() handMade { return newOverGoJose(now) },
	}
	for _, tt := range []struct {
		name               string
		method, url, token string
		at                 time.Time
		change             func(proof string) string
		good               bool
	}{
		{"good", "POST", target, token, testTime, nil, true},
		{"other method", "GET", target, token, testTime, nil, false},
		{"other url", "POST", target + "/x", token, testTime, nil, false},
		{"other token", "POST", target, "other", testTime, nil, false},
		{"old", "POST", target, token, testTime.Add(-61 * time.Second), nil, false},
		{"early", "POST", target, token, testTime.Add(11 * time.Second), nil, false},
		{"changed signature", "POST", target, token, testTime, func(p string) string { return flip(t, p, 2, 9) }, false},
		{"changed payload", "POST", target, token, testTime, func(p string) string { return flip(t, p, 1, 70) }, false},
	} {
		key, proof := newProof(t, holdfast.ProofClaims{Token: holdfast.NewSecret(token), Time: tt.at})
		if tt.change != nil {
			proof = tt.change(proof)
		}
		for name, maker := range makers {
			v := maker()
			got, err := v.verify(proof, tt.method, tt.url, tt.token)
			if (err == nil) != tt.good || tt.good && got != key.Thumbprint().String() {
				t.Errorf("%s over %s: %q, %v", tt.name, name, got, err)
			}
			if _, err := v.verify(proof, tt.method, tt.url, tt.token); err == nil {
				t.Errorf("%s over %s: accepted a second time", tt.name, name)
			}
		}
	}
	for _, fault := range []string{"typ in capitals, which is for the application", "HS256 keyed with the key as JSON", "private EC key", "no jwk"} {
		i := slices.IndexFunc(faults, func(s strictness) bool { return s.name == fault })
		for name, maker := range makers {
			if _, err := maker().verify(forged(faults[i]), "POST", target, ""); err == nil {
				t.Errorf("%s over %s: accepted", fault, name)
			}
		}
	}
}
