package resource

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// problems returns what is wrong with a requirement.
func (g *Guard) problems(need holdfast.Requirement) []error {
	var errs []error
	problem := func(format string, args ...any) { errs = append(errs, fmt.Errorf("protect: "+format, args...)) }
	for _, s := range need.Scope {
		if !isScopeToken(s) {
			problem("scope %q is no scope-token (RFC 6749 section 3.3)", s)
		}
	}
	for _, s := range need.ACR {
		if !isScopeToken(s) {
			problem("acr %q is not one word of printable ASCII without quotes", s)
		}
	}
	if need.AnyScope && len(need.Scope) == 0 {
		problem("AnyScope without Scope")
	}
	if need.MaxAge < 0 || need.MaxAge%time.Second != 0 {
		problem("MaxAge is %v, want whole seconds", need.MaxAge)
	}
	if need.Accept > holdfast.AcceptBearerToo {
		problem("Accept has the unknown value %d", need.Accept)
	}
	for _, iss := range need.Issuers {
		if iss == "" || g.issuers != nil && !slices.Contains(g.issuers, iss) {
			problem("issuer %q is not one of Verify.Issuers, so its keys are not known", iss)
		}
	}
	if slices.Contains(need.Audience, "") {
		problem("an empty audience")
	}
	return errs
}

// isScopeToken is 1*NQCHAR of RFC 6749 section 3.3: what fits between the
// quotes of a challenge and between the spaces of a list (B-3-05).
func isScopeToken(s string) bool {
	return s != "" && strings.IndexFunc(s, func(c rune) bool {
		return c < 0x21 || c > 0x7e || c == '"' || c == '\\'
	}) < 0
}
