package interop

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"

	gojose "github.com/go-jose/go-jose/v4"
	gojwt "github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// proofType is the typ of a DPoP proof (RFC 9449 section 4.2).
const proofType = "dpop+jwt"

// party is one implementation. verify checks a compact JWS with the key in its
// own header, for any asymmetric algorithm that the party has; sign makes one
// with the public key in the header.
type party struct {
	name   string
	verify func(compact string) error
	sign   func(key crypto.Signer, alg, payload string) (string, error)
}

// The names of the parties.
const (
	goJose         = "go-jose"
	jwx            = "jwx"
	golangJWT      = "golang-jwt"
	golangJWTTight = "golang-jwt-strict" // with the option WithStrictDecoding
)

// others are the libraries in their default configuration: what somebody gets
// who follows their documentation and restricts the algorithms.
func others() []party {
	return []party{
		{goJose, verifyGoJose, signGoJose},
		{jwx, verifyJWX, signJWX},
		{golangJWT, verifyGolangJWT, signGolangJWT},
	}
}

// everybody is all of them and ours.
func everybody() []party {
	return append([]party{{name: "holdfast", verify: verifyOurs}}, others()...)
}

// algorithms are those that all parties have. Ed25519 of RFC 9864 is missing
// in two of them.
var algorithms = []string{"ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512", "EdDSA"}

// verifyOurs is the lowest layer of ours: jose without a policy. The error is a
// [*jose.Error].
func verifyOurs(compact string) error {
	j, err := jose.Parse(compact, holdfast.MaxProofBytes)
	if err != nil {
		return err
	}
	if _, err := j.Claims(); err != nil {
		return err
	}
	v, _ := j.Header.Get("jwk")
	o, _ := v.Object() // the zero Object is refused as no object
	key, err := jose.ParseKey(o)
	if err != nil {
		return err
	}
	return key.Verify(j.Alg, j.SigningInput, j.Signature)
}

var goJoseAlgs = func() (out []gojose.SignatureAlgorithm) {
	for _, a := range algorithms {
		out = append(out, gojose.SignatureAlgorithm(a))
	}
	return out
}()

func verifyGoJose(compact string) error {
	j, err := gojose.ParseSignedCompact(compact, goJoseAlgs)
	if err != nil {
		return err
	}
	key := j.Signatures[0].Protected.JSONWebKey
	if key == nil || !key.IsPublic() {
		return errors.New("no public key in the header")
	}
	_, err = j.Verify(key)
	return err
}

func signGoJose(key crypto.Signer, alg, payload string) (string, error) {
	opts := (&gojose.SignerOptions{EmbedJWK: true}).WithType(proofType)
	s, err := gojose.NewSigner(gojose.SigningKey{Algorithm: gojose.SignatureAlgorithm(alg), Key: key}, opts)
	if err != nil {
		return "", err
	}
	j, err := s.Sign([]byte(payload))
	if err != nil {
		return "", err
	}
	return j.CompactSerialize()
}

func verifyJWX(compact string) error {
	_, err := jws.Verify([]byte(compact), jws.WithKeyProvider(jws.KeyProviderFunc(embeddedKeyJWX)))
	return err
}

func embeddedKeyJWX(_ context.Context, sink jws.KeySink, sig *jws.Signature, _ *jws.Message) error {
	alg, ok := sig.ProtectedHeaders().Algorithm()
	if !ok || !slices.Contains(algorithms, alg.String()) && alg != jwa.EdDSAEd25519() {
		return errors.New("algorithm is not allowed")
	}
	key, ok := sig.ProtectedHeaders().JWK()
	if !ok {
		return errors.New("no key in the header")
	}
	if private, err := jwk.IsPrivateKey(key); err != nil || private {
		return errors.New("no public key in the header")
	}
	sink.Key(alg, key)
	return nil
}

func signJWX(key crypto.Signer, alg, payload string) (string, error) {
	a, ok := jwa.LookupSignatureAlgorithm(alg)
	if !ok {
		return "", fmt.Errorf("no algorithm %s", alg)
	}
	pub, err := jwk.Import(key.Public())
	if err != nil {
		return "", err
	}
	h := jws.NewHeaders()
	if err := errors.Join(h.Set("typ", proofType), h.Set("jwk", pub)); err != nil {
		return "", err
	}
	b, err := jws.Sign([]byte(payload), jws.WithKey(a, key, jws.WithProtectedHeaders(h)))
	return string(b), err
}

func verifyGolangJWT(compact string) error { return parseGolangJWT(compact) }

// verifyGolangJWTTight has the one option that concerns the form.
func verifyGolangJWTTight(compact string) error {
	return parseGolangJWT(compact, gojwt.WithStrictDecoding())
}

func parseGolangJWT(compact string, opts ...gojwt.ParserOption) error {
	opts = append(opts, gojwt.WithValidMethods(algorithms), gojwt.WithoutClaimsValidation())
	_, err := gojwt.Parse(compact, func(t *gojwt.Token) (any, error) { return keyOfHeader(t.Header) }, opts...)
	return err
}

func signGolangJWT(key crypto.Signer, alg, payload string) (string, error) {
	var claims gojwt.MapClaims
	if err := json.Unmarshal([]byte(payload), &claims); err != nil {
		return "", err
	}
	t := gojwt.NewWithClaims(gojwt.GetSigningMethod(alg), claims)
	t.Header["typ"] = proofType
	t.Header["jwk"] = plainJWK(key.Public())
	return t.SignedString(key)
}

// keyOfHeader reads a JWK as somebody does who has a library without JWK: with
// encoding/json and the standard library.
func keyOfHeader(header map[string]any) (crypto.PublicKey, error) {
	members, ok := header["jwk"].(map[string]any)
	if !ok {
		return nil, errors.New("no key in the header")
	}
	if _, private := members["d"]; private {
		return nil, errors.New("no public key in the header")
	}
	octets := func(name string) []byte {
		s, _ := members[name].(string)
		b, _ := base64.RawURLEncoding.DecodeString(s)
		return b
	}
	switch members["kty"] {
	case "EC":
		curve, ok := map[any]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[members["crv"]]
		if !ok {
			return nil, errors.New("unknown curve")
		}
		return ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, octets("x"), octets("y")))
	case "RSA":
		n, e := new(big.Int).SetBytes(octets("n")), new(big.Int).SetBytes(octets("e"))
		if !e.IsInt64() || e.Int64() > 1<<31-1 {
			return nil, errors.New("exponent is too large")
		}
		return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
	case "OKP":
		if x := octets("x"); members["crv"] == "Ed25519" && len(x) == ed25519.PublicKeySize {
			return ed25519.PublicKey(x), nil
		}
	}
	return nil, errors.New("unsupported key")
}

// plainJWK writes a public key with the standard library only, independent of
// the code that is tested.
func plainJWK(pub crypto.PublicKey) map[string]string {
	encode := base64.RawURLEncoding.EncodeToString
	switch p := pub.(type) {
	case *ecdsa.PublicKey:
		point, err := p.Bytes()
		if err != nil {
			panic(err)
		}
		size := len(point) / 2
		return map[string]string{"kty": "EC", "crv": p.Params().Name, "x": encode(point[1 : 1+size]), "y": encode(point[1+size:])}
	case *rsa.PublicKey:
		return map[string]string{"kty": "RSA", "n": encode(p.N.Bytes()), "e": encode(big.NewInt(int64(p.E)).Bytes())}
	case ed25519.PublicKey:
		return map[string]string{"kty": "OKP", "crv": "Ed25519", "x": encode(p)}
	}
	panic(fmt.Sprintf("no JWK for %T", pub))
}
