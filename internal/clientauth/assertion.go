package clientauth

import (
	"crypto"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// AssertionType is the client_assertion_type of a JWT (RFC 7523 section 2.2).
const AssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// AssertionLifetime is the time from iat to exp. It covers one request.
const AssertionLifetime = time.Minute

// assertion makes the JWTs of private_key_jwt.
type assertion struct {
	signer crypto.Signer
	alg    jose.Alg
	header string // encoded, the same for every assertion
	issuer string
}

type assertionHeader struct {
	Alg   string `json:"alg"`
	Typ   string `json:"typ"`
	KeyID string `json:"kid,omitempty"`
}

type assertionClaims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"` // one string: the issuer (FAPI 2.0 section 5.3.3.1)
	ID       string `json:"jti"`
	IssuedAt int64  `json:"iat"`
	Expires  int64  `json:"exp"`
}

func newAssertion(c Config) (*assertion, error) {
	var errs []error
	if c.Issuer == "" {
		errs = append(errs, errors.New("the issuer is needed: it is the audience of the assertion"))
	}
	if c.KeyID != "" && !printable(c.KeyID, MaxKeyIDBytes) {
		errs = append(errs, fmt.Errorf("the key id has %d bytes, at most %d printable ASCII characters are allowed", len(c.KeyID), MaxKeyIDBytes))
	}
	alg, err := chooseAlg(c)
	if err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	header, err := json.Marshal(assertionHeader{Alg: alg.String(), Typ: "JWT", KeyID: c.KeyID})
	if err != nil {
		return nil, err
	}
	return &assertion{signer: c.Signer, alg: alg, header: jose.EncodeSegment(header), issuer: c.Issuer}, nil
}

// chooseAlg returns the key's preferred algorithm among those of the server.
func chooseAlg(c Config) (jose.Alg, error) {
	if c.Signer == nil {
		return jose.AlgUnknown, fmt.Errorf("%s needs a signer", PrivateKeyJWT)
	}
	pub, err := jose.NewPublicKey(c.Signer.Public())
	if err != nil {
		return jose.AlgUnknown, fmt.Errorf("the signer: %w", err)
	}
	var names []string
	for _, alg := range pub.Algs() {
		if len(c.Algs) == 0 || slices.Contains(c.Algs, alg.String()) {
			return alg, nil
		}
		names = append(names, alg.String())
	}
	return jose.AlgUnknown, fmt.Errorf("the signer can make %s, the server takes %.200q", strings.Join(names, " "), strings.Join(c.Algs, " "))
}

// make returns a new assertion with a jti of 128 random bits.
func (a *assertion) make(clientID string, at time.Time) (string, error) {
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return "", err
	}
	claims, err := json.Marshal(assertionClaims{
		Issuer: clientID, Subject: clientID, Audience: a.issuer, ID: jose.EncodeSegment(id[:]),
		IssuedAt: at.Unix(), Expires: at.Add(AssertionLifetime).Unix(),
	})
	if err != nil {
		return "", err
	}
	return jose.SignSegments(a.signer, a.alg, a.header, string(claims))
}
