package holdfast

import (
	"errors"
	"strings"

	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// MaxProofBytes is the longest DPoP header value that is read.
const MaxProofBytes = 4 << 10

// proof is a DPoP proof as parsed: typed values, nothing judged. have says
// which of them are known.
type proof struct {
	jws    jose.JWS
	form   Code  // CodeOK, or why it is not a well-formed JWS
	detail error // for reports

	claims            strictjson.Object
	jti, htm, htu     string
	nonce             string
	iat               int64
	ath               [32]byte
	hasNonce, hasAth  bool
	athDecoded        bool
	missing, mistyped string // first required claim that is absent, or of the wrong type

	known  *knownHeader // what is remembered of the header, nil if nothing is
	hasJWK bool
	key    *jose.PublicKey
	keyErr *jose.Error
}

// factJTI and the following are gathered by parseProof. They stand above the
// public facts, which are fewer than 20.
const (
	factRead Fact = 1 << (24 + iota) // there is one proof, and it was read
	factForm                         // it is a well-formed JWS of strict JSON
	factJTI
	factHTM
	factHTU
	factIAT
	factKey
	factVerified // the signature was checked
)

// parseProof reads the value of one DPoP field into p and returns the facts
// that became known. It judges nothing: a row of the table does.
func parseProof(p *proof, value string, known *knownHeader) Fact {
	var err error
	if p.known = known; known != nil {
		p.jws, err = jose.ParseKnown(value, MaxProofBytes, &known.protected)
	} else {
		p.jws, err = jose.Parse(value, MaxProofBytes)
	}
	if err == nil {
		p.claims, err = strictjson.Parse(p.jws.Payload, MaxProofBytes)
	}
	if err != nil {
		p.form, p.detail = formCode(err), err
		return factRead
	}
	return factRead | factForm | p.readClaims()
}

func formCode(err error) Code {
	var e *jose.Error
	if errors.As(err, &e) {
		switch e.Reason {
		case jose.CritPresent, jose.B64Header:
			return CodeProofJWTCrit
		case jose.TooLarge:
			return CodeProofJWTTooLarge
		}
	}
	return CodeProofJWTMalformed
}

// readClaims notes the first required claim that is absent or mistyped; RFC
// 9449 section 4.2 names jti, htm, htu and iat as required.
func (p *proof) readClaims() Fact {
	var have Fact
	required := func(name string, f Fact) string {
		v, ok := p.claims.Get(name)
		if !ok {
			p.noteMissing(name)
			return ""
		}
		text, isText := v.Text()
		if !isText || text == "" {
			p.noteMistyped(name)
			return ""
		}
		have |= f
		return text
	}
	p.jti = required("jti", factJTI)
	p.htm = required("htm", factHTM)
	p.htu = required("htu", factHTU)
	if v, ok := p.claims.Get("iat"); !ok {
		p.noteMissing("iat")
	} else if sec, ok := v.Seconds(); !ok {
		p.noteMistyped("iat")
	} else {
		p.iat = sec
		have |= factIAT
	}
	if v, ok := p.claims.Get("nonce"); ok {
		var isText bool
		if p.nonce, isText = v.Text(); !isText {
			p.noteMistyped("nonce")
		} else {
			p.hasNonce = true
		}
	}
	if v, ok := p.claims.Get("ath"); ok {
		text, isText := v.Text()
		if !isText {
			p.noteMistyped("ath")
		} else {
			p.hasAth = true
			t, err := ParseThumbprint(text)
			p.ath, p.athDecoded = t, err == nil
		}
	}
	return have
}

func (p *proof) noteMissing(name string) {
	if p.missing == "" {
		p.missing = name
	}
}

func (p *proof) noteMistyped(name string) {
	if p.mistyped == "" {
		p.mistyped = name
	}
}

func (p *proof) readKey() Fact {
	if p.known != nil {
		p.hasJWK, p.key = true, p.known.key
		return factKey
	}
	v, ok := p.jws.Header.Get("jwk")
	p.hasJWK = ok
	if !ok {
		return 0
	}
	o, ok := v.Object()
	if !ok {
		p.keyErr = &jose.Error{Reason: jose.KeyNotObject, Member: "jwk"}
		return 0
	}
	key, err := jose.ParseKey(o)
	if err != nil {
		if !errors.As(err, &p.keyErr) {
			p.keyErr = &jose.Error{Reason: jose.KeyUnsupported}
		}
		return 0
	}
	p.key = key
	return factKey
}

// presented is an Authorization field split into scheme and token.
type presented struct {
	scheme Scheme
	token  string
	bad    bool // the scheme is ours and what follows is not one token68
}

// Scheme is an HTTP authentication scheme.
type Scheme uint8

// The schemes. The zero value means that none was presented, or none of ours.
const (
	SchemeUnknown Scheme = iota
	SchemeBearer         // RFC 6750
	SchemeDPoP           // RFC 9449 section 7.1
)

// String returns the name as registered.
func (s Scheme) String() string {
	switch s {
	case SchemeBearer:
		return "Bearer"
	case SchemeDPoP:
		return "DPoP"
	default:
		return "unknown"
	}
}

// MaxTokenBytes is the longest access token that is read.
const MaxTokenBytes = 16 << 10

// splitAuthorization reads scheme 1*SP token68; the scheme in any letter case
// (RFC 9110 section 11.1).
func splitAuthorization(v string) presented {
	name, rest, spaced := strings.Cut(v, " ")
	var p presented
	switch {
	case strings.EqualFold(name, "DPoP"):
		p.scheme = SchemeDPoP
	case strings.EqualFold(name, "Bearer"):
		p.scheme = SchemeBearer
	default:
		return p
	}
	p.token = strings.TrimLeft(rest, " ")
	p.bad = !spaced || !isToken68(p.token) || len(p.token) > MaxTokenBytes
	return p
}

func isToken68(s string) bool {
	n := len(strings.TrimRight(s, "="))
	if n == 0 {
		return false
	}
	for i := 0; i < n; i++ {
		if !isToken68Char(s[i]) {
			return false
		}
	}
	return true
}
