package token

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
)

// IntrospectorConfig configures NewIntrospector. Endpoint, Issuer and
// Authenticate are required.
type IntrospectorConfig struct {
	// Endpoint is the introspection endpoint: https, or http on loopback.
	Endpoint string

	// Authenticate adds our credentials to the request or to its form (RFC 7662
	// section 2.1), see [BasicAuth]. It must be safe for concurrent use. Its
	// error must not hold a secret.
	Authenticate func(ctx context.Context, r *http.Request, form url.Values) error

	// Issuer is whose tokens the endpoint speaks of: what it says of a token with
	// another iss is not believed. A token of which it tells no iss gets this one.
	Issuer string

	// ImpliesAudience is the aud of tokens of which the endpoint tells none.
	// Set it only if the endpoint is documented to call a token active for us
	// only if it is meant for us (RFC 7662 section 4): otherwise every active
	// token of the issuer would be accepted here, whomever it was issued for.
	ImpliesAudience []string

	HTTP *http.Client // nil means a client of its own
}

// MaxQuestions is how many tokens an [Introspector] asks about at once; further
// callers wait. A stranger who sends invented tokens costs one question each.
const MaxQuestions = 64

// Introspector asks the issuer about each token (RFC 7662). It keeps no answers:
// put a [Cache] in front of it. Safe for concurrent use; there is no usable zero
// value.
type Introspector struct {
	c      IntrospectorConfig
	http   *http.Client
	places chan struct{} // one for each question under way
}

// NewIntrospector checks the configuration and reports every mistake at once. It
// asks nothing.
func NewIntrospector(c IntrospectorConfig) (*Introspector, error) {
	var errs []error
	if _, err := fetch.Secure(c.Endpoint); err != nil {
		errs = append(errs, fmt.Errorf("introspection: Endpoint: %w", err))
	}
	if c.Authenticate == nil {
		errs = append(errs, errors.New("introspection: Authenticate is required (RFC 7662 section 2.1)"))
	}
	if c.Issuer == "" {
		errs = append(errs, errors.New("introspection: Issuer is required"))
	}
	for _, a := range c.ImpliesAudience {
		if a == "" {
			errs = append(errs, errors.New("introspection: ImpliesAudience holds an empty audience"))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c.ImpliesAudience = append([]string(nil), c.ImpliesAudience...)
	return &Introspector{c: c, http: fetch.Client(c.HTTP), places: make(chan struct{}, MaxQuestions)}, nil
}

// ReadToken implements [holdfast.TokenReader]. A token that the endpoint calls
// inactive has the State TokenInactive, an active one of another issuer
// TokenUnknownKey: the endpoint cannot vouch for it. Whatever else keeps the
// endpoint from saying "active" is an [*Error] and not held against the client:
// no answer, an answer that cannot be read, or one that refuses our own
// credentials.
func (i *Introspector) ReadToken(ctx context.Context, raw holdfast.Secret) (*holdfast.Token, error) {
	if raw.IsZero() || raw.Len() > holdfast.MaxTokenBytes {
		return &holdfast.Token{State: holdfast.TokenMalformed}, nil
	}
	text, err := i.ask(ctx, raw)
	if err != nil {
		return nil, err
	}
	t, err := Introspected(text)
	if err != nil {
		return nil, &Error{Op: opIntrospection, URL: fetch.Shown(i.c.Endpoint), Problem: Unusable, Status: http.StatusOK, Err: fetch.Cause(err)}
	}
	if t.State != holdfast.TokenAuthentic {
		return t, nil
	}
	switch t.Issuer {
	case i.c.Issuer:
	case "":
		t.Issuer = i.c.Issuer
	default: // its word is good for its own tokens only
		t.State = holdfast.TokenUnknownKey
	}
	if t.Audience == nil { // absent: an empty aud is an answer
		t.Audience = append([]string(nil), i.c.ImpliesAudience...)
	}
	return t, nil
}

const opIntrospection = "introspection"

// ask sends the token in the body, where no log of addresses sees it, and
// returns the text of the answer.
func (i *Introspector) ask(ctx context.Context, raw holdfast.Secret) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, i.c.Endpoint, nil)
	if err != nil {
		return nil, refusal(opIntrospection, i.c.Endpoint, nil, err)
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	form := url.Values{"token": {raw.Reveal()}, "token_type_hint": {"access_token"}}
	if err := i.c.Authenticate(ctx, r, form); err != nil {
		return nil, &Error{Op: opIntrospection, URL: fetch.Shown(i.c.Endpoint), Problem: Denied, Err: fmt.Errorf("authenticate: %w", fetch.Cause(err))}
	}
	body := form.Encode()
	r.ContentLength = int64(len(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }
	if r.Body, err = r.GetBody(); err != nil {
		return nil, refusal(opIntrospection, i.c.Endpoint, nil, err)
	}
	select {
	case i.places <- struct{}{}:
		defer func() { <-i.places }()
	case <-ctx.Done():
		return nil, refusal(opIntrospection, i.c.Endpoint, nil, ctx.Err())
	}
	answer, err := i.http.Do(r)
	if err != nil {
		return nil, refusal(opIntrospection, i.c.Endpoint, nil, err)
	}
	defer answer.Body.Close()
	text, err := fetch.ReadAll(answer.Body, MaxIntrospectionBytes)
	return text, refusal(opIntrospection, i.c.Endpoint, answer, err)
}

// BasicAuth authenticates with HTTP Basic (RFC 6749 section 2.3.1), for
// IntrospectorConfig.Authenticate.
func BasicAuth(id string, secret holdfast.Secret) func(context.Context, *http.Request, url.Values) error {
	return func(_ context.Context, r *http.Request, _ url.Values) error {
		if id == "" || secret.IsZero() {
			return errors.New("basic authentication needs an id and a secret")
		}
		// Both are form-encoded first, unlike in RFC 7617.
		r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret.Reveal()))
		return nil
	}
}
