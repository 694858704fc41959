package holdfast

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Exchange is one request with its answer, as evidence. Package client attaches
// one to its errors, package explain reads them. It may hold secrets: it prints
// redacted, and [Exchange.Redacted] gives a copy that is safe to keep.
//
// An Exchange is plain data: not safe for concurrent modification.
type Exchange struct {
	ID     int    // number within the evidence, from 1
	Origin string // where it was seen: a file name, "client", "backend"

	Request       Presentation
	RequestHeader http.Header // canonical names; values in the order received
	RequestBody   []byte

	Status int // 0: no answer was seen
	Header http.Header
	Body   []byte // content codings removed
	Err    string // why there is no answer, as the capturing side said

	Sent, Received time.Time // clock of the capturing side; zero if unknown
}

// String names the exchange without its contents.
func (x Exchange) String() string {
	return fmt.Sprintf("exchange %d: %s (status %d)", x.ID, x.Request.Method, x.Status)
}

// Format prints what String returns, whatever the verb.
func (x Exchange) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(x.String())) }

// LogValue implements [slog.LogValuer].
func (x Exchange) LogValue() slog.Value { return slog.StringValue(x.String()) }

// MarshalJSON writes what String shows and the times: no header and no body, so
// that logging an Exchange cannot leak. Package explain writes evidence files.
func (x Exchange) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		ID       int       `json:"id"`
		Origin   string    `json:"origin,omitempty"`
		Method   string    `json:"method"`
		URL      string    `json:"url"`
		Status   int       `json:"status"`
		Sent     time.Time `json:"sent,omitzero"`
		Received time.Time `json:"received,omitzero"`
	}{x.ID, x.Origin, x.Request.Method, withoutQuery(x.Request.URL), x.Status, x.Sent, x.Received})
}

// harmless are the header fields whose values carry no secret and that a
// diagnosis needs. Everything else is dropped by Redacted.
var harmless = [...]string{
	"Accept", "Access-Control-Allow-Headers", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers",
	"Access-Control-Request-Headers", "Access-Control-Request-Method", "Cache-Control", "Content-Encoding",
	"Content-Length", "Content-Type", "Date", "Dpop-Nonce", "Origin", "Retry-After", "Server", "Via", "Www-Authenticate",
}

// Redacted returns a copy without bodies and without any header field that can
// carry a secret; the credentials of its Presentation are dropped and marked
// as Hidden. What remains is method, URL without query, status, times and the
// fields a diagnosis needs.
func (x *Exchange) Redacted() *Exchange {
	c := *x
	c.RequestBody, c.Body = nil, nil
	c.RequestHeader, c.Header = keep(x.RequestHeader), keep(x.Header)
	c.Request.URL = withoutUserinfo(withoutQuery(x.Request.URL))
	if x.Request.URL != "" { // errors of net/http quote the URL
		c.Err = strings.ReplaceAll(x.Err, x.Request.URL, c.Request.URL)
	}
	c.Request.Hidden |= FactAuthorization | FactProof | FactTokenValue | FactProofSignature
	c.Request.Authorization, c.Request.Proofs, c.Request.Query = nil, nil, nil
	return &c
}

func keep(h http.Header) http.Header {
	out := make(http.Header, len(harmless))
	for _, name := range harmless {
		if v := h[name]; len(v) > 0 {
			out[name] = append([]string(nil), v...)
		}
	}
	return out
}

// withoutUserinfo cuts what stands before '@' in the authority of a URL: it can
// hold a password.
func withoutUserinfo(u string) string {
	scheme, rest, ok := strings.Cut(u, "://")
	if !ok {
		return u
	}
	authority, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		return scheme + "://" + authority[i+1:] + path
	}
	return u
}

// withoutQuery cuts query and fragment: both can hold codes and tokens.
func withoutQuery(u string) string {
	for i := 0; i < len(u); i++ {
		if u[i] == '?' || u[i] == '#' {
			return u[:i]
		}
	}
	return u
}
