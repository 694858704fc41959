package jose

import "strconv"

// Reason says why a JWS, a key or a signature was refused.
type Reason uint8

// The reasons of [Parse], [JWS.Claims] and [DecodeSegment].
const (
	NotCompact        Reason = iota + 1 // not three parts
	Empty                               // nothing there, or an empty header
	TooLarge                            // longer than the limit of the caller
	Base64Alphabet                      // a character that base64url does not have
	Base64Padding                       // "=": JOSE has no padding (RFC 7515 2)
	Base64Trailing                      // the last character has bits that belong to no octet
	Base64LineBreak                     // CR or LF, which many decoders skip
	HeaderJSON                          // not a strict JSON object; wraps the *strictjson.Error
	HeaderType                          // alg, typ or kid is not a string
	PayloadJSON                         // not a strict JSON object; wraps the *strictjson.Error
	CritPresent                         // RFC 7515 4.1.11: no extension is understood here
	B64Header                           // RFC 7797 b64
	KeyNotObject                        // no JWK object was given
	KeyMissingMember                    // a required member is absent
	KeyMemberType                       // a required member is not a string
	KeyMemberEncoding                   // not the one correct encoding (RFC 7638 7)
	KeyPrivate                          // a private or secret member in what should be a public key
	KeySymmetric                        // kty oct
	KeyUnsupported                      // kty or crv that is not implemented
	KeyOffCurve                         // the point is not on the curve
	KeyWeak                             // RSA below 2048 bits or even modulus, Ed25519 point of small order
	KeyTooLarge                         // RSA above 4096 bits
	KeyExponent                         // RSA e is even, below 3, or above 31 bits
	KeyEscaped                          // a value that JSON has to escape: no defined thumbprint (RFC 7638 3.2.2)
	SigLength                           // the signature has the wrong length for the algorithm
	SigRange                            // a number in the signature is out of its range
	SigInvalid                          // the signature does not verify
	AlgMismatch                         // the algorithm does not fit the key
)

var reasonText = [...]string{
	NotCompact: "not a compact jws", Empty: "empty", TooLarge: "too large",
	Base64Alphabet: "character outside base64url", Base64Padding: "base64url with padding",
	Base64Trailing: "base64url with trailing bits", Base64LineBreak: "line break in base64url",
	HeaderJSON: "header is not a strict json object", HeaderType: "header member of the wrong type",
	PayloadJSON: "payload is not a strict json object", CritPresent: "crit extension is not supported",
	B64Header: "b64 extension is not supported", KeyNotObject: "key is not a json object",
	KeyMissingMember: "key member is missing", KeyMemberType: "key member is not a string",
	KeyMemberEncoding: "key member is not in its canonical encoding", KeyPrivate: "key has a private member",
	KeySymmetric: "key is symmetric", KeyUnsupported: "key type is not supported", KeyOffCurve: "key is not on its curve",
	KeyWeak: "key is too weak", KeyTooLarge: "key is too large", KeyExponent: "rsa exponent is not acceptable",
	KeyEscaped: "key member would need escaping", SigLength: "signature has the wrong length",
	SigRange: "signature is out of range", SigInvalid: "signature does not verify",
	AlgMismatch: "algorithm does not fit the key",
}

// String returns the reason as a lower-case phrase.
func (r Reason) String() string {
	if int(r) < len(reasonText) && reasonText[r] != "" {
		return reasonText[r]
	}
	return "unknown reason"
}

// Error is a refusal. It never holds the value of a key member, so it may be logged.
type Error struct {
	Reason Reason
	Member string // the segment or the member it is about; always a name of this package's choosing, or empty
	Detail string // what was seen and what was needed; text of a peer is escaped and shortened
	cause  error
}

// Error returns a line such as `key is too weak (n): 1024 bits, 2048 are needed`.
func (e *Error) Error() string {
	text := e.Reason.String()
	if e.Member != "" {
		text += " (" + e.Member + ")"
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// Unwrap returns the [*strictjson.Error] below HeaderJSON and PayloadJSON, otherwise nil.
func (e *Error) Unwrap() error { return e.cause }

// in names the segment or the member.
func (e *Error) in(member string) *Error {
	e.Member = member
	return e
}

// quoted returns text of a peer fit for a log: escaped and at most 32 bytes of it.
func quoted(text string) string {
	const limit = 32
	if len(text) > limit {
		return strconv.QuoteToASCII(text[:limit]) + "..."
	}
	return strconv.QuoteToASCII(text)
}

func decimal(n int) string { return strconv.Itoa(n) }

func sizes(got, limit int) string { return decimal(got) + " bytes, limit " + decimal(limit) }
