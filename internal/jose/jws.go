// Package jose reads, verifies and makes compact JWS (RFC 7515) and public JWK (RFC 7517) for asymmetric signatures.
//
// [Parse] checks the form of a JWS, [ParseKey] turns a JWK into a [PublicKey] that is known to be sound, and
// [PublicKey.Verify] joins the two; [Sign] is the way back. [Thumbprint] is RFC 7638 with SHA-256. Every refusal is an
// [*Error] with its own [Reason].
//
// It deliberately has no HMAC, no encryption, no JSON serialization, no crit extensions, no private JWK, and knows
// nothing about claims. "none" and symmetric names parse, so that a refusal can name them, but nothing verifies them.
//
// A JWS that parsed is not yet authentic. The algorithms to accept come from the verifier's policy, never from the
// header (RFC 8725 3.1): compare [JWS.Alg] with the policy first, then call Verify with it.
package jose

import (
	"strings"

	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// JWS is a compact JWS whose form is right: three segments of strict base64url, and a header that is a strict JSON
// object. It says nothing about the signature. It is not to be modified and is then safe for concurrent use.
type JWS struct {
	Protected
	Payload       string // decoded; any octets, see [JWS.Claims]
	SigningInput  string // what is signed: a substring of the input
	HeaderSegment string // the encoded header: a substring of the input
	Signature     []byte
}

// Protected is the header of a JWS (RFC 7515 2: the JWS Protected Header) with the members that every JWS may have.
type Protected struct {
	Header  strictjson.Object
	AlgName string // the alg member as sent, empty if absent
	Alg     Alg
	Class   AlgClass
	Type    string // the typ member as sent
	HasType bool
	KeyID   string // the kid member
}

// ParseProtected reads an encoded header by the rules of [Parse].
func ParseProtected(segment string) (Protected, error) {
	text, fault := appendSegment(nil, segment)
	if fault != nil {
		return Protected{}, fault.in("header")
	}
	return readProtected(string(text))
}

// Parse checks the form of a compact JWS of at most limit bytes. An absent alg is left to the caller to refuse, as is
// an empty payload or signature.
func Parse(compact string, limit int) (JWS, error) { return ParseKnown(compact, limit, nil) }

// ParseKnown is [Parse] for a caller that remembers headers: known is what [ParseProtected] made of the same first
// segment before, or nil.
func ParseKnown(compact string, limit int, known *Protected) (JWS, error) {
	header, payload, signature, err := split(compact, limit)
	if err != nil {
		return JWS{}, err
	}
	// One buffer, and in the end one string, for the two texts: they live and die together.
	var buf [1024]byte
	text := buf[:0]
	var fault *Error
	if known == nil {
		if text, fault = appendSegment(text, header); fault != nil {
			return JWS{}, fault.in("header")
		}
	}
	cut := len(text)
	if text, fault = appendSegment(text, payload); fault != nil {
		return JWS{}, fault.in("payload")
	}
	sig, fault := appendSegment(make([]byte, 0, len(signature)*3/4), signature)
	if fault != nil {
		return JWS{}, fault.in("signature")
	}
	decoded := string(text)
	j := JWS{
		Payload:       decoded[cut:],
		SigningInput:  compact[:len(header)+1+len(payload)],
		HeaderSegment: header,
		Signature:     sig,
	}
	if known != nil {
		j.Protected = *known
	} else if j.Protected, err = readProtected(decoded[:cut]); err != nil {
		return JWS{}, err
	}
	return j, nil
}

// split finds the three segments.
func split(compact string, limit int) (header, payload, signature string, err error) {
	switch {
	case compact == "":
		err = &Error{Reason: Empty}
	case len(compact) > limit:
		err = &Error{Reason: TooLarge, Detail: sizes(len(compact), limit)}
	default:
		var ok bool
		header, payload, ok = strings.Cut(compact, ".")
		if ok {
			payload, signature, ok = strings.Cut(payload, ".")
		}
		if !ok || strings.IndexByte(signature, '.') >= 0 {
			err = &Error{Reason: NotCompact, Detail: describeParts(compact)}
		} else if header == "" {
			err = &Error{Reason: Empty, Member: "header"}
		}
	}
	return header, payload, signature, err
}

// describeParts says what a text without three parts looks like.
func describeParts(text string) string {
	parts := strings.Count(text, ".") + 1
	switch {
	case strings.HasPrefix(strings.TrimLeft(text, " \t"), "{"):
		return "this is a JSON object, the compact form is needed"
	case strings.Contains(text, ","):
		return "a comma: several values in one"
	case parts == 5:
		return "five parts: this is encrypted (JWE)"
	}
	return "three parts are needed, not " + decimal(parts)
}

// readProtected takes the members every JWS may have from the header.
func readProtected(text string) (j Protected, err error) {
	h, err := strictjson.Parse(text, len(text))
	if err != nil {
		return Protected{}, &Error{Reason: HeaderJSON, Member: "header", Detail: err.Error(), cause: err}
	}
	j.Header = h
	// One walk instead of five lookups.
	for name, v := range h.All() {
		var ok bool
		switch name {
		case "alg":
			if j.AlgName, ok = v.Text(); ok {
				j.Alg, j.Class = ParseAlg(j.AlgName)
			}
		case "typ":
			j.Type, ok = v.Text()
			j.HasType = ok
		case "kid":
			j.KeyID, ok = v.Text()
		case "b64", "crit":
			return Protected{}, refuseExtension(h)
		default:
			ok = true
		}
		if !ok {
			return Protected{}, &Error{Reason: HeaderType, Member: name, Detail: "a string is needed, not " + v.Kind().String()}
		}
	}
	return j, nil
}

// refuseExtension names the extension that a header asks for. RFC 7515 4.1.11: what crit lists must be understood, and
// no extension is understood here. b64 changes what is signed (RFC 7797 3), so it is refused even where crit is absent.
func refuseExtension(h strictjson.Object) error {
	if _, ok := h.Get("b64"); ok {
		return &Error{Reason: B64Header, Member: "b64"}
	}
	return &Error{Reason: CritPresent, Member: "crit"}
}

// Claims reads the payload as a strict JSON object.
func (j JWS) Claims() (strictjson.Object, error) {
	claims, err := strictjson.Parse(j.Payload, len(j.Payload))
	if err != nil {
		return strictjson.Object{}, &Error{Reason: PayloadJSON, Member: "payload", Detail: err.Error(), cause: err}
	}
	return claims, nil
}
