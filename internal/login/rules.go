package login

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// ScopeRule lets people grant scopes because of a claim. The zero value is not a
// valid rule.
type ScopeRule struct {
	// Claim is the path to a claim, such as ["groups"] or ["realm_access",
	// "roles"]. Empty means everybody that the provider knows.
	Claim []string

	// Values are what the claim has to be, or to contain if it is an array: one
	// of them, compared exactly. Only strings are looked at.
	Values []string

	Scopes []string
}

func cloneRules(rules []ScopeRule) []ScopeRule {
	out := slices.Clone(rules)
	for i, r := range out {
		out[i] = ScopeRule{slices.Clone(r.Claim), slices.Clone(r.Values), slices.Clone(r.Scopes)}
	}
	return out
}

func checkRules(rules []ScopeRule) error {
	if len(rules) > MaxRules {
		return fmt.Errorf("rules: there are %d, at most %d are allowed", len(rules), MaxRules)
	}
	var errs []error
	for i, r := range rules {
		problem := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("Rules[%d]."+format, append([]any{i}, args...)...))
		}
		if len(r.Claim) > MaxClaimPath || slices.Contains(r.Claim, "") {
			problem("Claim: %d steps, at most %d are needed, none of them empty", len(r.Claim), MaxClaimPath)
		}
		if (len(r.Values) == 0) != (len(r.Claim) == 0) {
			problem("Values: %d for a claim of %d steps, a claim needs values and values need a claim", len(r.Values), len(r.Claim))
		}
		if len(r.Values) > MaxRuleValues {
			problem("Values: there are %d, at most %d are allowed", len(r.Values), MaxRuleValues)
		}
		if len(r.Scopes) == 0 {
			problem("Scopes: there are none")
		}
		if err := checkScopes(fmt.Sprintf("Rules[%d].Scopes", i), r.Scopes); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// applies reports whether a rule is about somebody with these claims.
func (r ScopeRule) applies(claims strictjson.Object) bool {
	if len(r.Claim) == 0 {
		return true
	}
	last := len(r.Claim) - 1
	for _, step := range r.Claim[:last] {
		v, _ := claims.Get(step)
		var ok bool
		if claims, ok = v.Object(); !ok {
			return false
		}
	}
	v, _ := claims.Get(r.Claim[last])
	if s, ok := v.Text(); ok {
		return slices.Contains(r.Values, s)
	}
	list, _ := v.Array()
	return slices.ContainsFunc(list, func(v strictjson.Value) bool {
		s, ok := v.Text()
		return ok && slices.Contains(r.Values, s)
	})
}

// person maps the claims of a token that was found good.
func (p *Provider) person(t *holdfast.Token, claims strictjson.Object) (authserver.Person, error) {
	var scopes []string // nil without rules: every scope that is offered
	for _, r := range p.rules {
		if r.applies(claims) {
			scopes = append(scopes, r.Scopes...)
		}
	}
	if len(p.rules) > 0 && len(scopes) == 0 {
		return authserver.Person{}, p.denied("your account gives no access here")
	}
	slices.Sort(scopes)
	// Without an auth_time nobody knows when the login was: the iat says only when
	// the provider spoke of it.
	return authserver.Person{
		Subject: p.subject(t.Subject), Name: p.shown(claims), Scopes: slices.Compact(scopes), ACR: t.ACR, AuthTime: t.AuthTime,
	}, nil
}

// subject qualifies a sub with the issuer, within which alone it is unique
// (OpenID Connect Core section 2). The NUL ends the issuer, which has none.
func (p *Provider) subject(sub string) string {
	sum := sha256.Sum256([]byte(p.issuer + "\x00" + sub))
	return upstreamSubject + jose.EncodeSegment(sum[:])
}

// shown returns the name for pages, without characters that could change how the
// rest of the page reads.
func (p *Provider) shown(claims strictjson.Object) string {
	v, _ := claims.Get(p.nameClaim)
	s, _ := v.Text()
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	end := 0
	for i, r := range s {
		if i+len(string(r)) > MaxDisplayNameBytes {
			break
		}
		end = i + len(string(r))
	}
	return s[:end]
}
