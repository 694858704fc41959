package authserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// RetryAfter is when a request may be repeated that could not be judged.
const RetryAfter = 5 * time.Second

// The OAuth errors (RFC 6749 sections 4.1.2.1 and 5.2, RFC 7009, RFC 7591, RFC
// 8628, RFC 8707, RFC 9126, RFC 9449).
const (
	errInvalidRequest     = "invalid_request"
	errInvalidClient      = "invalid_client"
	errInvalidGrant       = "invalid_grant"
	errInvalidScope       = "invalid_scope"
	errInvalidTarget      = "invalid_target"
	errInvalidRequestURI  = "invalid_request_uri"
	errInvalidRedirectURI = "invalid_redirect_uri"
	errInvalidMetadata    = "invalid_client_metadata"
	errInvalidToken       = "invalid_token"
	errUnauthorizedClient = "unauthorized_client"
	errUnsupportedGrant   = "unsupported_grant_type"
	errUnsupportedType    = "unsupported_response_type"
	errUnsupportedToken   = "unsupported_token_type"
	errAccessDenied       = "access_denied"
	errLoginRequired      = "login_required"
	errConsentRequired    = "consent_required"
	errPending            = "authorization_pending"
	errSlowDown           = "slow_down"
	errExpired            = "expired_token"
	errUseNonce           = "use_dpop_nonce"
	errUnavailable        = "temporarily_unavailable"
)

// refusal is an answer that is not the one asked for. Text names the parameter
// and goes to the peer; why is for the operator only.
type refusal struct {
	status int
	code   string        // OAuth error
	text   string        // error_description: printable ASCII without " and \ (RFC 6749 section 5.2)
	check  holdfast.Code // the row of the check table that refused, if one did
	header http.Header   // further fields, may be nil
	why    error         // may be nil
}

// Error returns the text for the operator.
func (f *refusal) Error() string {
	if f.why != nil {
		return fmt.Sprintf("%s: %s: %v", f.code, f.text, f.why)
	}
	return f.code + ": " + f.text
}

// Unwrap returns the cause.
func (f *refusal) Unwrap() error { return f.why }

// refuse is a 400 with an OAuth error.
func refuse(code, text string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: code, text: text}
}

// unavailable says that a check or a write could not be made, which is never
// the fault of the peer.
func unavailable(why error) *refusal {
	return &refusal{status: http.StatusServiceUnavailable, code: errUnavailable, text: "the server could not decide; repeat the request later, with a new proof", why: why}
}

// refusalOf makes an answer of any error: what is not a refusal is a failure of
// ours.
func refusalOf(err error) *refusal {
	var f *refusal
	if errors.As(err, &f) {
		return f
	}
	return unavailable(err)
}

// problem is the body of a refusal: the members of RFC 6749 section 5.2 first,
// ours beside them.
type problem struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
	Code        string `json:"code,omitempty"` // of the check table
	Hint        string `json:"hint,omitempty"`
	ServerTime  string `json:"server_time"` // RFC 3339
}

// write answers with JSON.
func (f *refusal) write(w http.ResponseWriter, now time.Time) {
	p := problem{Error: f.code, Description: f.text, ServerTime: now.UTC().Format(time.RFC3339)}
	if f.check != holdfast.CodeOK && f.check.Family() != holdfast.FamilyServer {
		p.Code, p.Hint = f.check.String(), f.check.Remedy()
	}
	h := w.Header()
	for name, values := range f.header {
		h[name] = values
	}
	if f.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", fmt.Sprint(int(RetryAfter/time.Second)))
	}
	writeJSON(w, f.status, p)
}

// notKept keeps an answer out of caches, those of HTTP/1.0 too (RFC 6749 section
// 5.1).
func notKept(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
}

// writeJSON writes a small answer that must not be cached.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	notKept(w.Header())
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that hung up is no fault of the server
}
