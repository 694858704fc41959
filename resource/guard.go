package resource

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/holdfast-oauth/holdfast"
)

// A nonce is renewed with the answer to an accepted request when less than this
// share of its lifetime is left: a client that calls often enough is never
// challenged again (RFC 9449 section 8.2).
const renewShare = 3

// Protect returns a handler that passes accepted requests to h, with the
// [holdfast.Access] in their context, and answers all others. The error names
// every part of need that no request could satisfy or that does not fit into a
// challenge.
//
// Every method is protected, OPTIONS included. The path of the proof is compared
// with that of the request target as it was received, whatever a mux or
// http.StripPrefix made of the URL. Where the request carries a nonce that
// expires soon, the answer gets the next one, with Cache-Control: no-store; a
// handler that sets Cache-Control itself should keep that.
func (g *Guard) Protect(need holdfast.Requirement, h http.Handler) (http.Handler, error) {
	errs := g.problems(need)
	if h == nil {
		errs = append(errs, errors.New("protect: a handler is required"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	need.Scope, need.ACR = slices.Clone(need.Scope), slices.Clone(need.ACR)
	need.Issuers, need.Audience = slices.Clone(need.Issuers), slices.Clone(need.Audience)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := holdfast.Present(r, g.publicURL)
		if err != nil { // New made sure of the URL
			g.refuse(r.Context(), &holdfast.Presentation{Method: r.Method}, need, holdfast.CodeServerEvidence).ServeHTTP(w, r)
			return
		}
		access, refusal := g.judge(r.Context(), p, need)
		if refusal != nil {
			refusal.ServeHTTP(w, r)
			return
		}
		if nonce := g.NextNonce(r.Context(), access); nonce != "" {
			putNonce(w.Header(), nonce)
			expose(w.Header(), r)
		}
		h.ServeHTTP(w, g.admitted(r, access))
	}), nil
}

// Check judges a request that came by another way than net/http, such as a
// gRPC call or the question of a proxy. p.URL has to be the URL that the client
// used: [holdfast.Present] says how it is made. The error is always a
// [*Refusal]; it is logged and reported as by Protect.
func (g *Guard) Check(ctx context.Context, p *holdfast.Presentation, need holdfast.Requirement) (*holdfast.Access, error) {
	access, refusal := g.judge(ctx, p, need)
	if refusal != nil {
		return nil, refusal
	}
	return access, nil
}

func (g *Guard) judge(ctx context.Context, p *holdfast.Presentation, need holdfast.Requirement) (*holdfast.Access, *Refusal) {
	access, err := g.verifier.Verify(ctx, p, need)
	if err != nil {
		return nil, g.refuse(ctx, p, need, err)
	}
	return access, nil
}

// NextNonce returns the nonce to hand out with the answer to an accepted
// request (RFC 9449 section 8.2), or "" if none is due: a client that uses none
// is not given one, because from then on it would have to.
func (g *Guard) NextNonce(ctx context.Context, a *holdfast.Access) string {
	n := a.Nonce
	if !g.renews || n.State != holdfast.NonceCurrent || n.Issued.IsZero() {
		return ""
	}
	if left := n.Expires.Sub(g.now()); left > n.Expires.Sub(n.Issued)/renewShare {
		return ""
	}
	nonce, err := g.verifier.Nonce(ctx)
	if err != nil { // the request was accepted; the client will be challenged when its nonce ends
		g.log.WarnContext(ctx, "no nonce to renew", "err", err)
		return ""
	}
	return nonce
}

// admitted returns the request as the handler gets it.
func (g *Guard) admitted(r *http.Request, a *holdfast.Access) *http.Request {
	r = r.WithContext(context.WithValue(r.Context(), accessKey{}, a))
	if !g.keep {
		r.Header = maps.Clone(r.Header) // whoever is around us keeps what it had
		delete(r.Header, "Authorization")
		delete(r.Header, "Dpop")
	}
	return r
}

type accessKey struct{}

// AccessFrom returns what the request of a protected handler may be believed
// about, and whether ctx belongs to one. The Access is the handler's own.
func AccessFrom(ctx context.Context) (*holdfast.Access, bool) {
	a, ok := ctx.Value(accessKey{}).(*holdfast.Access)
	return a, ok
}
