package cli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/explain"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
	"github.com/holdfast-oauth/holdfast/token"
)

// decodeProof judges a proof by the rows of the check table that need nothing
// but the proof. bad is why it is not a well-formed JWS, nil if it is.
func decodeProof(ctx context.Context, j jose.JWS, text string, bad error) (*decoded, error) {
	d := &decoded{Kind: "proof", Signature: "not checked"}
	if bad != nil {
		d.Kind = "jws" // no telling what it was meant to be
	} else {
		d.Header = headerMembers(j.Header)
		if claims, err := j.Claims(); err == nil {
			d.Claims = claimMembers(claims, proofClaims)
		}
		if v, ok := j.Header.Get("jwk"); ok {
			if o, ok := v.Object(); ok {
				d.Thumbprint = thumbprintText(o)
			}
		}
	}
	// Every algorithm that a proof may use: a policy is not known here.
	v, err := holdfast.NewProofVerifier(holdfast.ProofPolicy{Nonce: holdfast.NonceOptional, Algs: []holdfast.Alg{
		holdfast.ES256, holdfast.ES384, holdfast.ES512, holdfast.EdDSA, holdfast.Ed25519,
		holdfast.PS256, holdfast.PS384, holdfast.PS512, holdfast.RS256, holdfast.RS384, holdfast.RS512,
	}})
	if err != nil {
		return nil, err
	}
	report := v.Explain(ctx, &holdfast.Presentation{
		Proofs: []holdfast.Secret{holdfast.NewSecret(text)},
		Hidden: holdfast.FactAuthorization | holdfast.FactTokenValue | holdfast.FactMethod | holdfast.FactURL |
			holdfast.FactTime | holdfast.FactCertificate,
	}, holdfast.ProofNeed{Required: true})
	for _, o := range report.Outcomes {
		if o.Check == "proof.nonce" || o.Check == "replay.jti" || o.Status != holdfast.Pass && o.Status != holdfast.Fail {
			continue // about the server's memory, or about the request
		}
		d.Checks = append(d.Checks, o)
		d.wrong = d.wrong || o.Status == holdfast.Fail
		if o.Check == "proof.signature" {
			d.Signature = map[holdfast.Status]string{holdfast.Pass: "valid", holdfast.Fail: "invalid"}[o.Status]
		}
	}
	if d.wrong {
		d.Faults = explain.Faults(text)
	}
	if bad == nil && d.Signature == "not checked" {
		d.Reason = "the proof does not give a key and an algorithm that fit each other"
	}
	return d, nil
}

// decodeToken shows a JWT that is no proof. Its signature is checked only with
// keys that were given.
func decodeToken(ctx context.Context, j jose.JWS, text string, sets []token.KeySet) (*decoded, error) {
	d := &decoded{Kind: "token", Header: headerMembers(j.Header), Signature: "not checked"}
	claims, err := j.Claims()
	if err != nil {
		d.Reason, d.wrong = err.Error(), true
		return d, nil
	}
	d.Claims = claimMembers(claims, tokenClaims)
	t, err := token.NewJWT(sets).ReadToken(ctx, holdfast.NewSecret(text))
	if err != nil {
		return nil, err
	}
	switch t.State {
	case holdfast.TokenAuthentic:
		d.Signature = "valid"
	case holdfast.TokenBadSignature:
		d.Signature, d.wrong = "invalid", true
	case holdfast.TokenUnknownKey:
		d.Reason, d.wrong = "no given key fits kid and alg of the header", true
	case holdfast.TokenMalformed:
		d.Reason, d.wrong = "not a well-formed JWT access token (RFC 9068)", true
	default:
		d.Reason = "no key set was given (--jwks)"
	}
	d.BoundTo = boundTo(t.Confirmation)
	return d, nil
}

func boundTo(c holdfast.Confirmation) string {
	switch {
	case c.Unsupported:
		return "a cnf without a readable jkt or x5t#S256"
	case !c.JKT.IsZero():
		return c.JKT.String()
	case !c.X5T.IsZero():
		return c.X5T.String()
	}
	return ""
}

// headerMembers shows a JOSE header. A jwk is shown as a key.
func headerMembers(o strictjson.Object) []member {
	var out []member
	for name, v := range o.All() {
		switch name {
		case "jwk":
			key, ok := v.Object()
			if !ok {
				out = append(out, member{name, "not an object"})
				continue
			}
			for _, m := range keyMembers(key) {
				out = append(out, member{"jwk." + m.Name, m.Value})
			}
		case "typ", "alg", "kid", "cty", "crit", "jku", "x5u":
			out = append(out, member{name, shown(v)})
		default:
			out = append(out, member{limited(name), hiddenValue(v)})
		}
	}
	return out
}

// Claims whose values a diagnosis needs and that are no secrets. Of others, the
// name and the type are shown.
var (
	proofClaims = []string{"jti", "htm", "htu", "iat", "ath", "nonce", "exp", "nbf"}
	tokenClaims = []string{"iss", "aud", "exp", "nbf", "iat", "jti", "client_id", "azp", "scope", "scp", "cnf", "acr", "auth_time", "typ", "token_type"}
)

func claimMembers(o strictjson.Object, known []string) []member {
	var out []member
	for name, v := range o.All() {
		value := hiddenValue(v)
		for _, k := range known {
			if k == name {
				value = claimValue(name, v)
			}
		}
		out = append(out, member{limited(name), value})
	}
	return out
}

func claimValue(name string, v strictjson.Value) string {
	switch name {
	case "exp", "nbf", "iat", "auth_time":
		if s, ok := v.Seconds(); ok {
			return shown(v) + " (" + time.Unix(s, 0).UTC().Format(time.RFC3339) + ")"
		}
	case "htu":
		// The query of a target may carry a code or a token.
		if s, ok := v.Text(); ok {
			if i := strings.IndexAny(s, "?#"); i >= 0 {
				return limited(s[:i]) + s[i:i+1] + "[redacted]"
			}
		}
	case "cnf":
		return confirmationValue(v)
	}
	return shown(v)
}

// confirmationValue shows the thumbprints of a cnf; a key in it could be a
// secret one, so other methods are named only.
func confirmationValue(v strictjson.Value) string {
	o, ok := v.Object()
	if !ok {
		return "[" + v.Kind().String() + ", want an object]"
	}
	var parts []string
	for name, method := range o.All() {
		value := hiddenValue(method)
		if name == "jkt" || name == "x5t#S256" {
			value = shown(method)
		}
		parts = append(parts, limited(name)+" "+value)
	}
	return strings.Join(parts, ", ")
}

// shown prints a value that is no secret: strings bare, other kinds as JSON.
func shown(v strictjson.Value) string {
	if s, ok := v.Text(); ok {
		return limited(s)
	}
	return limited(v.Raw())
}

// hiddenValue names the kind of a value only.
func hiddenValue(v strictjson.Value) string { return "[redacted " + v.Kind().String() + "]" }

// maxShown is how much of one value is printed.
const maxShown = 300

// limited makes text of a peer safe for the terminal and bounded.
func limited(s string) string {
	cut := ""
	if len(s) > maxShown {
		s, cut = s[:maxShown], "[cut]"
	}
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] > 0x7e {
			q := strconv.QuoteToASCII(s)
			return q[1:len(q)-1] + cut
		}
	}
	return s + cut
}
