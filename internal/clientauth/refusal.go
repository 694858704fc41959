package clientauth

import "fmt"

// Reason is the kind of fault that kept a request from being authenticated. The
// zero value is none.
type Reason uint8

// The reasons. The first two are faults of the request as such (invalid_request
// of RFC 6749 section 5.2), all others are invalid_client.
const (
	_                Reason = iota
	Malformed               // credentials that cannot be read
	Several                 // more than one method, or one given twice (RFC 6749 section 2.3)
	Missing                 // no client_id and nothing that stands for it
	UnknownClient           // nobody is registered under the client_id
	WrongMethod             // not the method that the client is registered for
	WrongSecret             // none of the client's secrets
	BadAssertion            // an assertion whose form or claims RFC 7523 section 3 does not accept
	WrongKey                // an assertion that no key of the client signed
	Replayed                // an assertion that was used before
	NoCertificate           // no client certificate on the connection
	WrongCertificate        // a certificate that is not the client's
	BadKeys                 // what is at the client's jwks_uri is no key set
)

// String returns the reason as a lower-case phrase.
func (r Reason) String() string {
	switch r {
	case Malformed:
		return "malformed credentials"
	case Several:
		return "several credentials"
	case Missing:
		return "no credentials"
	case UnknownClient:
		return "unknown client"
	case WrongMethod:
		return "wrong method"
	case WrongSecret:
		return "wrong secret"
	case BadAssertion:
		return "bad assertion"
	case WrongKey:
		return "wrong key"
	case Replayed:
		return "replayed assertion"
	case NoCertificate:
		return "no certificate"
	case WrongCertificate:
		return "wrong certificate"
	case BadKeys:
		return "bad key set"
	}
	return "unknown reason"
}

// Refusal says why a client was not authenticated. Any other error of this
// package means that nobody could find out. It holds no secret.
type Refusal struct {
	Reason Reason

	// Detail is one phrase of printable ASCII for the operator: what was seen
	// and what was needed. See [Refusal.Public].
	Detail string
}

// Error returns reason and detail.
func (r *Refusal) Error() string {
	return fmt.Sprintf("client authentication: %v: %s", r.Reason, r.Detail)
}

// InvalidRequest reports whether the OAuth error is invalid_request; it is
// invalid_client otherwise.
func (r *Refusal) InvalidRequest() bool { return r.Reason == Malformed || r.Reason == Several }

// Public returns the sentence for the peer. It tells what is wrong with what
// was sent, and nothing about what is registered: whether a client exists, and
// how it authenticates, is not answered.
func (r *Refusal) Public() string {
	switch r.Reason {
	case Malformed, Several, Missing, BadAssertion, Replayed:
		return r.Detail
	}
	return "client_id is not known, or nothing in the request proves that it is that client"
}

func refuse(r Reason, detail string) error { return &Refusal{Reason: r, Detail: detail} }
