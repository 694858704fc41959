package resource

import (
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// challenges returns what the client may do instead, DPoP first. Only the
// challenge of the mechanism that was used carries the error; where that is
// ambiguous both do (RFC 9449 section 7.2).
func (g *Guard) challenges(p *holdfast.Presentation, need holdfast.Requirement, code holdfast.Code) []holdfast.Challenge {
	scope := need.Scope
	if need.AnyScope {
		scope = scope[:min(1, len(scope))] // the attribute means all of them (RFC 6750 section 3), and one is enough
	}
	dpop := holdfast.Challenge{Scheme: "DPoP", Algs: g.algs, Scope: scope, ResourceMetadata: g.metadataURL.String()}
	bearer := holdfast.Challenge{Scheme: "Bearer", Scope: scope, ResourceMetadata: g.metadataURL.String()}
	offered := g.admitsBearer(need)
	switch used := schemeOf(p); {
	case code.OAuthError() == "": // RFC 6750 section 3.1: no error without credentials
	case used == holdfast.SchemeDPoP:
		fault(&dpop, need, code)
	case used == holdfast.SchemeBearer:
		fault(&bearer, need, code)
		offered = true
	default:
		fault(&dpop, need, code)
		fault(&bearer, need, code)
		offered = true
	}
	if offered {
		return []holdfast.Challenge{dpop, bearer}
	}
	return []holdfast.Challenge{dpop}
}

// fault writes what was wrong into a challenge. The description is a constant.
func fault(c *holdfast.Challenge, need holdfast.Requirement, code holdfast.Code) {
	c.Error, c.Description = code.OAuthError(), code.Public()
	if code == holdfast.CodeAccessAuthenticationInsufficient { // RFC 9470 section 3
		c.ACR = need.ACR
		if need.MaxAge > 0 {
			seconds := int(need.MaxAge / time.Second)
			c.MaxAge = &seconds
		}
	}
}

// admitsBearer reports whether the scheme Bearer can succeed on this route: for
// unbound tokens, or for certificate-bound ones where the listener is said to
// ask for certificates.
func (g *Guard) admitsBearer(need holdfast.Requirement) bool {
	accept := need.Accept
	if accept == holdfast.AcceptBound {
		accept = g.accept
	}
	return accept == holdfast.AcceptBearerToo || accept == holdfast.AcceptBound && g.metadata.CertificateBoundTokens
}

// schemeOf returns the mechanism that was used, SchemeUnknown if there was more
// than one. The verdict does not depend on it.
func schemeOf(p *holdfast.Presentation) holdfast.Scheme {
	if len(p.Authorization) != 1 || len(p.Query) > 0 {
		return holdfast.SchemeUnknown
	}
	name, _, _ := strings.Cut(p.Authorization[0].Reveal(), " ")
	for _, s := range [...]holdfast.Scheme{holdfast.SchemeDPoP, holdfast.SchemeBearer} {
		if strings.EqualFold(name, s.String()) {
			return s
		}
	}
	return holdfast.SchemeUnknown
}
