// Package metadata holds what authorization servers and protected resources
// publish about themselves: RFC 8414 and RFC 9728, with the members of RFC 9126
// (PAR), RFC 8705 (mTLS) and RFC 9449 (DPoP) that this module uses.
//
// [Fetcher] retrieves a document from its well-known place and checks that it is
// about whom was asked for; use it wherever a decision rests on the document.
// [ParseServer] and [ParseResource] only read one, [Classify] tells them apart.
// Names of members are compared exactly and may occur once; members that are
// not known here are ignored, as the RFCs demand.
//
// The package keeps no documents and does not read signed_metadata. What a
// document says is no better than the TLS connection it came over.
package metadata

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// MaxBytes is the largest document that is read.
const MaxBytes = 512 << 10

// Kind says what a document is.
type Kind uint8

// The kinds. The zero value is a document that is neither.
const (
	Unknown      Kind = iota
	KindServer        // authorization server metadata, or OpenID Connect discovery
	KindResource      // protected resource metadata
)

// String returns "authorization server metadata", "protected resource metadata"
// or "unknown".
func (k Kind) String() string {
	switch k {
	case KindServer:
		return "authorization server metadata"
	case KindResource:
		return "protected resource metadata"
	}
	return "unknown"
}

// Classify says what a document is by its members.
func Classify(text []byte) Kind {
	o, err := strictjson.Parse(string(text), MaxBytes)
	if err != nil {
		return Unknown
	}
	has := func(name string) bool { _, ok := o.Get(name); return ok }
	switch {
	case has("resource") && !has("token_endpoint") && !has("authorization_endpoint"):
		return KindResource
	case has("issuer") && (has("token_endpoint") || has("authorization_endpoint") || has("jwks_uri")):
		return KindServer
	}
	return Unknown
}

// parse reads the members of a document into the variables that are given by
// name, and reports every member of a wrong type at once. required has to be
// there, as a non-empty string.
func parse(text []byte, what, required string, members map[string]any) error {
	o, err := strictjson.Parse(string(text), MaxBytes)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	var errs []error
	if v, _ := o.Get(required); v.Kind() != strictjson.String || v.Raw() == `""` {
		errs = append(errs, fmt.Errorf("%s: %s is required, a non-empty string", what, required))
	}
	for name, v := range o.All() {
		to, known := members[name]
		if !known {
			continue
		}
		if err := json.Unmarshal([]byte(v.Raw()), to); err != nil {
			errs = append(errs, fmt.Errorf("%s: %s is %s, which it must not be", what, name, v.Kind()))
		}
	}
	return errors.Join(errs...)
}
