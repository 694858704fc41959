package login

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// Limits of what is kept of a person.
const (
	MinPasswordBytes    = 8 // NIST SP 800-63B: length is all that is asked for
	MaxPasswordBytes    = 1024
	MaxDisplayNameBytes = 128
	MaxACRBytes         = 255
	MaxScopes           = 128
	MaxScopeBytes       = 128 // of each
	MaxSubjectBytes     = 255 // OpenID Connect Core section 2: in ASCII
)

// What begins a subject says where the person is known, so that those of local
// people and of identity providers never meet.
const (
	localSubject    = "u-"
	upstreamSubject = "p-"
)

// Account is a person who logs in with a password, without the password. The
// zero value is nobody.
type Account struct {
	// Name is what the person types. Letter case does not count.
	Name string

	// Subject is random, made by [Users.Add], and never given to another person,
	// not even to one who gets the same name later.
	Subject string

	DisplayName string   // shown on pages; empty means Name
	Scopes      []string // what the person may grant; nil means every scope that is offered
	ACR         string   // authentication context class of a login by password (RFC 9470), may be empty
	Disabled    bool     // cannot log in

	Created         time.Time
	PasswordChanged time.Time
}

// record is what is stored of an account.
type record struct {
	Name        string    `json:"name"`
	Subject     string    `json:"sub"`
	Hash        string    `json:"hash"`
	DisplayName string    `json:"display,omitempty"`
	Scopes      []string  `json:"scopes,omitzero"` // an empty list means none, nil means all
	ACR         string    `json:"acr,omitempty"`
	Disabled    bool      `json:"disabled,omitempty"`
	Created     time.Time `json:"created"`
	Changed     time.Time `json:"changed"` // the password
}

// readRecord reads a stored account. The error holds nothing of it.
func readRecord(body []byte) (*record, error) {
	var r record
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, errors.New("stored account: not the JSON that was written")
	}
	return &r, nil
}

// account returns what may be shown.
func (r *record) account() Account {
	return Account{
		Name: r.Name, Subject: r.Subject, DisplayName: r.DisplayName, Scopes: slices.Clone(r.Scopes), ACR: r.ACR,
		Disabled: r.Disabled, Created: r.Created, PasswordChanged: r.Changed,
	}
}

// person returns who has logged in.
func (r *record) person(at time.Time) authserver.Person {
	shown := r.DisplayName
	if shown == "" {
		shown = r.Name
	}
	return authserver.Person{Subject: r.Subject, Name: shown, Scopes: slices.Clone(r.Scopes), ACR: r.ACR, AuthTime: at}
}

// newSubject returns an identifier that was never used.
func newSubject() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return localSubject + jose.EncodeSegment(b[:])
}

// checkAccount reports everything that is wrong with what an operator gave.
func checkAccount(a Account) error {
	var errs []error
	if _, err := checkName(a.Name); err != nil {
		errs = append(errs, err)
	}
	if !showable(a.DisplayName, MaxDisplayNameBytes) {
		errs = append(errs, fmt.Errorf("display name: %.60q with %d bytes, at most %d of printable UTF-8 are needed", a.DisplayName, len(a.DisplayName), MaxDisplayNameBytes))
	}
	if a.ACR != "" && !printable(a.ACR, MaxACRBytes) {
		errs = append(errs, fmt.Errorf("acr: %.60q with %d bytes, at most %d printable ASCII characters are needed", a.ACR, len(a.ACR), MaxACRBytes))
	}
	return errors.Join(append(errs, checkScopes("scopes", a.Scopes))...)
}

// checkScopes checks what becomes a list with spaces (RFC 6749 section 3.3).
func checkScopes(what string, scopes []string) error {
	if len(scopes) > MaxScopes {
		return fmt.Errorf("%s: there are %d, at most %d are allowed", what, len(scopes), MaxScopes)
	}
	for _, s := range scopes {
		if !printable(s, MaxScopeBytes) || strings.ContainsAny(s, ` "\`) {
			return fmt.Errorf("%s: %.60q, visible ASCII without space, quote and backslash is needed, at most %d characters", what, s, MaxScopeBytes)
		}
	}
	return nil
}

// plausible reports whether p can be anybody's password. It is compared as the
// bytes that came: nothing is trimmed, folded or normalised.
func plausible(p holdfast.Secret) bool {
	return p.Len() >= MinPasswordBytes && p.Len() <= MaxPasswordBytes
}

// printable reports whether s is 1 to limit characters of %x20-7E.
func printable(s string, limit int) bool {
	return s != "" && len(s) <= limit && !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e })
}

// showable reports whether s, which may be empty, can be shown on a page.
func showable(s string, limit int) bool {
	return len(s) <= limit && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
