package holdfast

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Fact names one thing that may be known about a presentation, as a bit set.
// A check whose facts are not known is Unknown: [Verifier.Verify] refuses it,
// [Verifier.Explain] says what is missing.
type Fact uint32

// The facts. The first group is what a capture can lack; a [Presentation]
// lists those in Hidden. The second group is what the verifier gathers.
const (
	FactAuthorization  Fact = 1 << iota // the Authorization field
	FactProof                           // the DPoP field
	FactProofSignature                  // the signature part of the proof
	FactTokenValue                      // the octets of the access token
	FactMethod                          // the request method
	FactURL                             // the URL as the client addressed it
	FactTime                            // the time at which the request was judged
	FactCertificate                     // whether and which client certificate was presented
	FactIssuers                         // which issuers the verifier accepts
	FactAudience                        // which audiences the verifier accepts
	FactNeed                            // what the resource requires (scope, authentication)

	FactToken          // what the token says
	FactTokenAuthentic // whether the token is genuine
	FactNonce          // whether the nonce is ours and current
	FactBlocked        // whether holder and client are blocked
	FactReplay         // whether this jti was seen before
)

// hideable are the facts that a Presentation may name in Hidden.
const hideable = FactAuthorization | FactProof | FactProofSignature | FactTokenValue | FactMethod | FactURL |
	FactTime | FactCertificate | FactIssuers | FactAudience | FactNeed

// Presentation is what arrived with one request, before any judgement. Every
// field is kept as often as it came, so that "several" is a fact.
//
// The zero value is a request without credentials. A Presentation is not
// modified by this package and may be judged by several goroutines at once.
type Presentation struct {
	Method string // as on the wire; methods are case-sensitive (RFC 9110 section 9.1)
	URL    string // absolute, as the client addressed it

	Authorization []Secret // values of every Authorization field, scheme included
	Query         []Secret // values of every access_token query parameter (RFC 6750 section 2.3)
	Proofs        []Secret // values of every DPoP field (RFC 9449 section 4.1)

	PeerCert *x509.Certificate // client certificate of the TLS connection, nil if none

	// Hidden names facts that were removed from the evidence. Checks that need
	// them are Unknown. Verify refuses a presentation that hides anything.
	Hidden Fact

	// At is the time at which Explain judges; zero means the verifier's clock.
	// Verify always uses the verifier's clock.
	At time.Time
}

// String names the request without its credentials and its query.
func (p Presentation) String() string {
	return fmt.Sprintf("%s %s (%d Authorization, %d DPoP)",
		clip(p.Method), clip(withoutUserinfo(withoutQuery(p.URL))), len(p.Authorization), len(p.Proofs))
}

// Format prints what String returns, whatever the verb.
func (p Presentation) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(p.String())) }

// LogValue implements [slog.LogValuer].
func (p Presentation) LogValue() slog.Value { return slog.StringValue(p.String()) }

// Present reads the presentation of an incoming request. The URL is publicURL
// followed by the path of the request target as received, still encoded; of an
// absolute-form target only the path counts. The path of publicURL is what a
// proxy removed before the request reached us. The Host field and forwarding
// fields are never read: a proof compared with a URL that the peer chooses
// protects nothing.
func Present(r *http.Request, publicURL *url.URL) (*Presentation, error) {
	if publicURL == nil || publicURL.Scheme == "" || publicURL.Host == "" {
		return nil, errors.New("present: public URL needs a scheme and a host, such as https://api.example.com")
	}
	p := &Presentation{
		Method:        r.Method,
		URL:           publicURL.Scheme + "://" + publicURL.Host + strings.TrimSuffix(publicURL.EscapedPath(), "/") + targetPath(r),
		Authorization: secrets(r.Header["Authorization"]),
		Proofs:        secrets(r.Header["Dpop"]),
	}
	if r.URL != nil {
		p.Query = queryTokens(r.URL.RawQuery)
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		p.PeerCert = r.TLS.PeerCertificates[0]
	}
	return p, nil
}

// targetPath returns the path of the request target exactly as it was received.
func targetPath(r *http.Request) string {
	t := r.RequestURI
	if t == "" && r.URL != nil { // a request that was not read by a server
		t = r.URL.EscapedPath()
	}
	t, _, _ = strings.Cut(t, "?")
	// A target has no fragment: net/http makes a stray "#" part of the path.
	t = strings.ReplaceAll(t, "#", "%23")
	if i := strings.Index(t, "://"); i > 0 && isScheme(t[:i]) { // absolute-form, RFC 9112 section 3.2.2
		t = t[i+3:]
		if j := strings.IndexByte(t, '/'); j >= 0 {
			t = t[j:]
		} else {
			t = ""
		}
	}
	if t == "" || t == "*" {
		return "/"
	}
	if t[0] != '/' { // authority-form of CONNECT: it must not lengthen our host
		t = "/" + t
	}
	return t
}

// queryTokens returns the values of every access_token parameter. url.ParseQuery
// drops a pair that it cannot parse, and a token must not hide behind a stray
// ';' or '%': what cannot be decoded counts as it stands.
func queryTokens(query string) []Secret {
	var out []Secret
	for query != "" {
		i := strings.IndexAny(query, "&;")
		if i < 0 {
			i = len(query)
		}
		name, value, _ := strings.Cut(query[:i], "=")
		if decoded(name) == "access_token" {
			out = append(out, Secret{decoded(value)})
		}
		query = query[min(i+1, len(query)):]
	}
	return out
}

func decoded(s string) string {
	if d, err := url.QueryUnescape(s); err == nil {
		return d
	}
	return s
}

func secrets(values []string) []Secret {
	if len(values) == 0 {
		return nil
	}
	out := make([]Secret, len(values))
	for i, v := range values {
		out[i] = Secret{v}
	}
	return out
}
