package token

import (
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// claims reads members of a token or of an introspection response. The first
// member of a wrong type is kept in err: a claim that cannot be read is not the
// same as one that is absent.
type claims struct {
	o   strictjson.Object
	err error
}

// wrong notes what is wrong with a member; the first one counts.
func (c *claims) wrong(name, what string) {
	if c.err == nil {
		c.err = fmt.Errorf("%s: %s", name, what)
	}
}

// text returns a string member, "" if it is absent.
func (c *claims) text(name string) string {
	v, present := c.o.Get(name)
	s, ok := v.Text()
	if present && !ok {
		c.wrong(name, v.Kind().String()+", want a string")
	}
	return s
}

// time returns a NumericDate member (RFC 7519 section 2), the zero time if it
// is absent.
func (c *claims) time(name string) time.Time {
	v, present := c.o.Get(name)
	if !present {
		return time.Time{}
	}
	s, ok := v.Seconds()
	if !ok {
		c.wrong(name, v.Kind().String()+", want a number of seconds")
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}

// list returns a member that is one string or an array of strings. separate
// splits a single string at its blanks, as scope is written.
func (c *claims) list(name string, separate bool) []string {
	v, present := c.o.Get(name)
	if !present {
		return nil
	}
	if s, ok := v.Text(); ok {
		if separate {
			return strings.Fields(s)
		}
		return []string{s}
	}
	values, ok := v.Array()
	if !ok {
		c.wrong(name, v.Kind().String()+", want a string or an array of strings")
		return nil
	}
	out := make([]string, 0, len(values))
	for _, v := range values {
		s, ok := v.Text()
		if !ok {
			c.wrong(name, "holds "+v.Kind().String()+", want strings")
			return nil
		}
		out = append(out, s)
	}
	return out
}

// confirmation returns cnf. The raw text goes to the one place that reads it:
// null and other non-objects make it unsupported, never absent (C-3.1-02).
func (c *claims) confirmation() holdfast.Confirmation {
	v, present := c.o.Get("cnf")
	if !present {
		return holdfast.Confirmation{}
	}
	return holdfast.ParseConfirmation(v.Raw())
}

// token reads the claims that access tokens and introspection responses share
// (RFC 9068 section 2.2, RFC 7662 section 2.2). scp and azp are the spellings
// of issuers that predate RFC 9068.
func (c *claims) token() *holdfast.Token {
	t := &holdfast.Token{
		Issuer: c.text("iss"), Subject: c.text("sub"), ClientID: c.text("client_id"),
		Audience: c.list("aud", false), Scope: c.list("scope", true),
		ACR: c.text("acr"), AuthTime: c.time("auth_time"),
		IssuedAt: c.time("iat"), NotBefore: c.time("nbf"), Expires: c.time("exp"),
		Confirmation: c.confirmation(),
	}
	if t.ClientID == "" {
		t.ClientID = c.text("azp")
	}
	if t.Scope == nil {
		t.Scope = c.list("scp", true)
	}
	return t
}
