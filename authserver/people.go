package authserver

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// Person is somebody who has logged in. The zero value is nobody.
type Person struct {
	// Subject identifies the person for ever and is never given to another.
	// It becomes the sub of tokens. At most 255 printable ASCII characters.
	Subject string

	Name string // shown on pages, may be empty

	// Scopes are what the person may grant to clients; nil means every scope
	// that is offered.
	Scopes []string

	ACR      string    // how the person was authenticated, may be empty (RFC 9470)
	AuthTime time.Time // when; the zero time means now of a Directory, unknown of an Upstream

	// Issued and Expires are those of a token that is exchanged: nobody gets
	// anything for it who was cut off since, nor anything that lives longer. Zero
	// means unknown. After a login they are not looked at.
	Issued, Expires time.Time
}

// Attempt is one try to log in with a password.
type Attempt struct {
	Name     string
	Password holdfast.Secret
	Remote   string // address of the browser, as far as it is known

	// Known says that this browser has logged in as this name before. Attempts
	// by others then cannot lock the person out.
	Known bool
}

// Directory knows people by name and password.
//
// Authenticate answers [ErrWrongPassword] for a wrong password and for a name
// that does not exist alike, in the same time; *[TooManyAttempts] if the attempt
// was not judged; any other error means that it could not be judged, which is
// answered with 503. It must be safe for concurrent use.
type Directory interface {
	Authenticate(ctx context.Context, a Attempt) (Person, error)
}

// ErrWrongPassword says that name and password do not belong together.
var ErrWrongPassword = errors.New("name or password is wrong")

// TooManyAttempts says that an attempt was not judged because of those before.
type TooManyAttempts struct{ RetryAfter time.Duration }

// Error says when to try again.
func (e *TooManyAttempts) Error() string {
	return fmt.Sprintf("too many attempts, try again in %v", e.RetryAfter.Round(time.Second))
}

// Upstream is an identity provider that people log in at instead.
//
// Begin returns the address to send the browser to and what Finish needs to
// know afterwards, which the server keeps sealed in the browser. Finish reads
// the answer that came back to redirectURI. A *[Denied] is the person's or the
// provider's decision; any other error means that nobody could find out.
//
// Exchange judges a token of the provider that a client wants to exchange for a
// bound one (RFC 8693): an access token whose audience is issuer, or an ID token
// whose audience is our client there, and nothing else. It returns a *[Denied]
// for a token that it does not accept, and (nil, nil) for one that is not of
// this provider at all.
//
// An Upstream may have a method BeginFresh with a maxAge of type time.Duration as
// its last argument. It is called instead of Begin where the login must not be
// older than that; 0 asks for a new one. What Finish says in AuthTime is what
// counts: without it, such a request is refused.
//
// All methods must be safe for concurrent use.
type Upstream interface {
	Name() string  // in addresses: lower-case letters, digits and -
	Title() string // on the button
	Begin(ctx context.Context, redirectURI string) (authorize string, keep []byte, err error)
	Finish(ctx context.Context, redirectURI string, keep []byte, callback url.Values) (Person, error)
	Exchange(ctx context.Context, issuer, tokenType string, raw holdfast.Secret) (*Person, error)
}

// Denied says that an identity provider, or the rules for what it says, did not
// let somebody in. Reason may be shown to the person and holds nothing secret.
type Denied struct{ Reason string }

// Error returns the reason.
func (e *Denied) Error() string { return e.Reason }
