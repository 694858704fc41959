package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/holdfast-oauth/holdfast"
)

// ExchangeRequest is a token to be exchanged for an access token of this client
// (RFC 8693 section 2.1). Subject is required.
type ExchangeRequest struct {
	Subject     holdfast.Secret
	SubjectType string // subject_token_type; "" means an access token

	Actor     holdfast.Secret // who acts for the subject; zero if nobody does
	ActorType string          // actor_token_type; "" means an access token

	Audience []string // where the new token is to be used, by names that the server knows
	Resource []string // the same by URI; nil means that of the [Config]
	Scope    []string // nil means that of the [Config]
}

// Exchange asks for an access token in exchange for another token, bound to the
// client's key whatever the other one was bound to.
func (c *Client) Exchange(ctx context.Context, r ExchangeRequest) (*Grant, error) {
	form := c.ask(grantExchange)
	if r.Resource != nil {
		form["resource"] = slices.Clone(r.Resource)
	}
	scope := c.scope
	if r.Scope != nil {
		scope = r.Scope
		setWords(form, "scope", scope)
	}
	if err := r.fill(form); err != nil {
		return nil, &Error{Op: opExchange, Err: err}
	}
	return c.request(ctx, tokenCall{op: opExchange, form: form, key: c.key, scope: scope})
}

// fill checks the request and writes its own parameters.
func (r *ExchangeRequest) fill(form url.Values) error {
	var errs []error
	if r.Subject.IsZero() {
		errs = append(errs, errors.New("a Subject is needed: the token to exchange"))
	}
	if r.Actor.IsZero() && r.ActorType != "" { // RFC 8693 section 2.1: not without actor_token
		errs = append(errs, errors.New("ActorType is set and there is no Actor"))
	}
	for _, t := range []holdfast.Secret{r.Subject, r.Actor} {
		if t.Len() > holdfast.MaxTokenBytes {
			errs = append(errs, fmt.Errorf("a token has %d bytes, at most %d are allowed", t.Len(), holdfast.MaxTokenBytes))
		}
	}
	for _, uri := range r.Resource {
		if err := checkResource(uri); err != nil {
			errs = append(errs, err)
		}
	}
	if err := checkWords("scope", r.Scope); err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	form.Set("requested_token_type", issuedAccessToken)
	form.Set("subject_token", r.Subject.Reveal())
	form.Set("subject_token_type", orAccessToken(r.SubjectType))
	if !r.Actor.IsZero() {
		form.Set("actor_token", r.Actor.Reveal())
		form.Set("actor_token_type", orAccessToken(r.ActorType))
	}
	if len(r.Audience) > 0 {
		form["audience"] = slices.Clone(r.Audience)
	}
	return nil
}

func orAccessToken(typ string) string {
	if typ == "" {
		return issuedAccessToken
	}
	return typ
}
