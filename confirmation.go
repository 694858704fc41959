package holdfast

import (
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// Confirmation is the cnf member of a token (RFC 7800 section 3.1): which key
// or certificate its sender has to hold. The zero value means that the token
// has no confirmation and is a bearer token.
type Confirmation struct {
	JKT Thumbprint // jkt: the proof key (RFC 9449 section 6.1)
	X5T Thumbprint // x5t#S256: the client certificate (RFC 8705 section 3.1)

	// Unsupported says that there is a confirmation that we cannot read: no
	// object, an unknown method only, a malformed thumbprint, or token_type
	// DPoP without cnf. Such a token is never "unbound".
	Unsupported bool
}

// Bound reports whether the token names a holder, readable or not.
func (c Confirmation) Bound() bool { return !c.JKT.IsZero() || !c.X5T.IsZero() || c.Unsupported }

// MaxConfirmationBytes is the largest cnf that [ParseConfirmation] reads.
const MaxConfirmationBytes = 8 << 10

// ParseConfirmation reads the JSON text of a cnf claim. Empty text means that
// the claim is absent.
func ParseConfirmation(cnf string) Confirmation {
	if cnf == "" {
		return Confirmation{}
	}
	o, err := strictjson.Parse(cnf, MaxConfirmationBytes)
	if err != nil {
		return Confirmation{Unsupported: true} // C-3.1-02: not an object, or not strict JSON
	}
	var c Confirmation
	known := 0
	for name, v := range o.All() {
		switch name {
		case "jkt", "x5t#S256":
			text, ok := v.Text()
			t, err := ParseThumbprint(text)
			if !ok || err != nil || t.IsZero() {
				return Confirmation{Unsupported: true}
			}
			known++
			if name == "jkt" {
				c.JKT = t
			} else {
				c.X5T = t
			}
		}
	}
	// C-3.1-01: members of unknown methods alone do not make a bearer token.
	c.Unsupported = known == 0
	return c
}
