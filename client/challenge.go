package client

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// remedy is what helps against a refusal.
type remedy uint8

const (
	noRemedy   remedy = iota
	useNonce          // the nonce that the refusal brought (RFC 9449 section 9)
	setClock          // the server's time
	renewToken        // another token (RFC 6750 section 3.1)
	proveAgain        // nothing but a new proof: the last was sent twice
)

// String says why the request is sent again.
func (r remedy) String() string {
	return [...]string{"no", "nonce", "clock", "token renewed", "proof sent twice"}[r]
}

// OAuth errors of a resource (RFC 6750 section 3.1).
const (
	codeInvalidToken      = "invalid_token"
	codeInsufficientScope = "insufficient_scope"
)

// demand is what a response says about our credentials.
type demand struct {
	holdfast.Challenge      // the one that counts: one with an error before one without, DPoP before Bearer
	challenged         bool // there was any challenge
	dpop               bool // a challenge with the scheme DPoP
}

func readDemand(r *http.Response) demand {
	var out demand
	best := -1
	for _, c := range holdfast.ParseChallenges(r.Header["Www-Authenticate"]) {
		out.challenged = true
		rank := 0
		switch {
		case c.Is(holdfast.SchemeDPoP.String()):
			out.dpop = true
			rank++
		case !c.Is(holdfast.SchemeBearer.String()):
			continue
		}
		if c.Error != "" {
			rank += 2
		}
		if rank > best {
			best, out.Challenge = rank, c
		}
	}
	return out
}

// judge decides whether to send the request again. Only a 401 asks for other
// credentials (RFC 9110 section 15.5.2); insufficient_scope is never answered
// by more of the same (RFC 6750 section 3.1).
func (c *trip) judge(a *attempt) remedy {
	if a.response.StatusCode != http.StatusUnauthorized || c.sent >= maxAttempts {
		return noRemedy
	}
	why := noRemedy
	r := readDemand(a.response)
	proved := c.token.Key != nil && r.Is(holdfast.SchemeDPoP.String())
	switch {
	case proved && r.Error == codeUseNonce:
		if a.learned != "" && a.learned != a.nonce {
			why = useNonce
		}
	case proved && r.Error == codeInvalidProof:
		code, at := a.problem()
		if c.correct(a, code, at) {
			return setClock
		}
		twice := a.written.Load() > 1 && (code == holdfast.CodeOK || code == holdfast.CodeReplayJTIReplayed)
		if twice && idempotent(a.request) {
			why = proveAgain
		}
	case r.Error == codeInvalidToken:
		if _, ok := c.t.Tokens.(Renewer); ok {
			why = renewToken
		}
	}
	if c.tried[why] {
		return noRemedy
	}
	return why
}

// idempotent reports whether a request may have been executed twice without
// harm (RFC 9110 section 9.2.2, and the two fields that net/http goes by). The
// proof of any other protected it from exactly that.
func idempotent(r *http.Request) bool {
	switch r.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return r.Header["Idempotency-Key"] != nil || r.Header["X-Idempotency-Key"] != nil
}

// problem returns what a problem document says beyond the challenge: the code,
// if it is one of ours, and the server's time.
func (a *attempt) problem() (code holdfast.Code, at time.Time) {
	o, err := strictjson.Parse(string(a.peeked), maxRefusal)
	if err != nil {
		return holdfast.CodeOK, time.Time{}
	}
	at, _ = time.Parse(time.RFC3339, said(o, "server_time")) // none or a broken one: Date has to do
	code, _ = holdfast.ParseCode(said(o, "code"))
	return code, at
}

// blamesClock reports whether a refusal with that code can be about iat.
func blamesClock(code holdfast.Code) bool {
	return code == holdfast.CodeOK || code.Area() == holdfast.AreaClock
}

// correct takes the server's time if the difference explains why a proof was
// refused, and reports whether it did. Each call corrects once.
func (c *trip) correct(a *attempt, code holdfast.Code, at time.Time) bool {
	if c.tried[setClock] || !blamesClock(code) {
		return false
	}
	by, off := a.clockDifference(at)
	if !off {
		return false
	}
	if c.t.clocks.correct(c.origin, by) && c.t.OnCorrection != nil {
		c.t.OnCorrection(c.origin, by)
	}
	// Another caller may have corrected it since this proof was made.
	return c.t.clocks.offset(c.origin) != a.offset
}

// hint says what the caller may do about an answer that is given back to him.
func (c *trip) hint(a *attempt) string {
	r := readDemand(a.response)
	code, at := a.problem()
	by, off := a.clockDifference(at)
	switch {
	case c.token.Key != nil && r.challenged && !r.dpop && a.response.StatusCode == http.StatusUnauthorized:
		// RFC 9449 section 7.2: it is not sent as Bearer instead.
		return "the resource does not offer DPoP"
	case r.Error == codeUseNonce && len(a.response.Header["Dpop-Nonce"]) == 0:
		return "the server demanded a nonce but supplied none (RFC 9449 section 9)"
	case r.Error == codeUseNonce && a.learned == "":
		return "the server supplied a nonce that breaks the syntax of RFC 9449 section 8.1"
	case r.Error == codeUseNonce && a.learned == a.nonce:
		return "the server refused the nonce and supplied the same one again"
	case r.Error == codeUseNonce:
		return "the server demanded another nonce after the one it supplied was sent"
	case r.Error == codeInvalidProof && off && blamesClock(code):
		return fmt.Sprintf("the clocks differ by %v, at most %v is corrected: set the clock", by.Abs().Round(time.Second), MaxCorrection)
	case r.Error == codeInvalidProof && a.written.Load() > 1:
		return "a layer below the Transport sent the request twice with one proof: retry above it"
	case r.Error == codeInvalidProof:
		return "the server refused the proof: compare the clocks, the URL as the server knows it and the algorithms it lists"
	case r.Error == codeInsufficientScope && len(r.Scope) > 0:
		return "the token needs the scope " + escape(strings.Join(slices.Sorted(slices.Values(r.Scope)), " "))
	case r.Error == codeInvalidToken:
		return "the token was refused: log in again"
	}
	return ""
}
