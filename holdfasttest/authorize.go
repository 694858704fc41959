package holdfasttest

import (
	"crypto/sha256"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// authorization is a request for a code, pushed or plain, and then the code.
type authorization struct {
	client      *Client
	redirectURL string
	named       bool // the request named redirect_uri, so the token request has to
	state       string
	challenge   string // PKCE, method S256
	jkt         *holdfast.Thumbprint
	grant       *grant
	expires     time.Time
	spent       bool
}

// push is the PAR endpoint (RFC 9126 section 2): a proof binds the code as if
// dpop_jkt had been given (RFC 9449 section 10.1).
func (s *Server) push(r *http.Request, c *Client, form url.Values) (any, error) {
	if form.Has("request_uri") {
		return nil, refuse("invalid_request", "request_uri does not belong into a pushed request")
	}
	a, err := s.readAuthorization(c, form)
	if err != nil {
		return nil, err
	}
	holder, err := s.prove(r, holdfast.ProofNeed{Pushed: a.jkt})
	if err != nil {
		return nil, err
	}
	if !holder.IsZero() {
		a.jkt = &holder
	}
	uri := handle("urn:ietf:params:oauth:request_uri:")
	s.pushed[uri] = a
	return map[string]any{"request_uri": uri, "expires_in": int(CodeLifetime.Seconds())}, nil
}

// readAuthorization checks the parameters of an authorization request. Without
// redirect_uri a single registered one is meant (RFC 6749 section 3.1.2.3).
func (s *Server) readAuthorization(c *Client, q url.Values) (*authorization, error) {
	a := &authorization{
		client: c, redirectURL: q.Get("redirect_uri"), named: q.Has("redirect_uri"), state: q.Get("state"),
		challenge: q.Get("code_challenge"), expires: s.now().Add(CodeLifetime),
		grant: &grant{client: c, subject: "alice", scope: q.Get("scope"), audience: q["resource"]},
	}
	if !a.named && len(c.RedirectURLs) == 1 {
		a.redirectURL = c.RedirectURLs[0]
	}
	if !c.redirects(a.redirectURL) {
		return nil, refuse("invalid_request", "redirect_uri is not registered")
	}
	if sum, err := jose.DecodeSegment(a.challenge); err != nil || len(sum) != sha256.Size || q.Get("code_challenge_method") != "S256" {
		return a, refuse("invalid_request", "a PKCE challenge of method S256 is needed") // RFC 7636 section 4.4.1
	}
	if q.Get("response_type") != "code" {
		return a, refuse("unsupported_response_type", "response_type has to be code")
	}
	if err := checkResources(q["resource"]); err != nil {
		return a, err
	}
	if q.Has("dpop_jkt") {
		jkt, err := holdfast.ParseThumbprint(q.Get("dpop_jkt"))
		if err != nil {
			return a, refuse("invalid_request", "dpop_jkt is no JWK thumbprint")
		}
		a.jkt = &jkt
	}
	return a, nil
}

// checkResources wants absolute URIs without fragment (RFC 8707 section 2).
func checkResources(resources []string) error {
	for _, r := range resources {
		if _, err := fetch.Secure(r); err != nil {
			return refuse("invalid_target", "resource: "+err.Error())
		}
	}
	return nil
}

// authorize approves at once. Answers go to the redirection URL with state and
// iss (RFC 9207), unless there is none that can be trusted.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	c := s.clients[q.Get("client_id")]
	if c == nil {
		http.Error(w, "no such client", http.StatusBadRequest)
		return
	}
	a, err := s.authorization(c, q)
	if a == nil { // no redirection URL that can be trusted
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := url.Values{"iss": {s.URL}}
	if a.state != "" {
		answer.Set("state", a.state)
	}
	if f, ok := err.(*failure); ok {
		answer.Set("error", f.code)
		answer.Set("error_description", f.text)
	} else {
		code := handle("code-")
		a.expires = s.now().Add(CodeLifetime)
		s.codes[code] = a
		answer.Set("code", code)
	}
	separator := "?"
	if strings.Contains(a.redirectURL, "?") {
		separator = "&"
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", a.redirectURL+separator+answer.Encode())
	w.WriteHeader(http.StatusFound)
}

// authorization finds the pushed request or reads the plain one.
func (s *Server) authorization(c *Client, q url.Values) (*authorization, error) {
	uri := q.Get("request_uri")
	if uri == "" {
		a, err := s.readAuthorization(c, q)
		if err == nil && s.config.RequirePAR {
			return a, refuse("invalid_request", "authorization requests have to be pushed")
		}
		return a, err
	}
	a := s.pushed[uri]
	if a == nil || a.client != c || !s.now().Before(a.expires) {
		return nil, refuse("invalid_request_uri", "request_uri is unknown, expired, used or of another client")
	}
	delete(s.pushed, uri) // RFC 9126 section 4: single use
	return a, nil
}
