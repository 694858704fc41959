package explain

import (
	"crypto/sha256"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// role is what a request was for.
type role string

const (
	roleResource      role = "resource"
	roleToken         role = "token"
	rolePAR           role = "par"
	roleAuthorization role = "authorization"
	roleMetadata      role = "metadata"
	rolePreflight     role = "preflight"
	roleIntrospection role = "introspection"
	roleRevocation    role = "revocation"
	roleOther         role = "other"
)

// atServer reports whether the authorization server judges the proof itself.
func (r role) atServer() bool { return r == roleToken || r == rolePAR }

// sight is one exchange with everything that could be read off it.
type sight struct {
	x      *holdfast.Exchange
	n      int // number
	index  int
	source *Source

	url    *url.URL
	origin string // scheme://host, default port left out
	role   role
	scheme string // as written: DPoP, Bearer, ...

	form url.Values     // request body, if it is a form or JSON of strings
	json map[string]any // response body, if it is a JSON object

	proof  *looseProof // of the first DPoP field
	token  *looseToken
	said   said
	report *holdfast.Report

	ok      bool // 2xx, or 3xx at the authorization endpoint
	refused bool
	date    time.Time // clock of the server
	sent    time.Time // clock of the capturing side
	at      time.Time // the time at which the request is judged

	behind      bool   // captured behind a proxy
	view        *sight // the same request as a later station saw it
	viewOf      *sight // the earlier sight of this request
	recoveredBy *sight // the later exchange in which the same intent succeeded
	redirected  *sight // the exchange whose Location led here
}

func newSight(x *holdfast.Exchange, index int, topics func(string) topic) *sight {
	g := &sight{x: x, n: x.ID, index: index, sent: x.Sent}
	g.url, _ = url.Parse(x.Request.URL)
	if g.url == nil {
		g.url = &url.URL{}
	}
	g.origin = originOf(g.url)
	if v := x.Header.Get("Date"); v != "" {
		g.date, _ = http.ParseTime(v)
	}
	g.ok = x.Status >= 200 && x.Status < 300
	g.form = readForm(x)
	g.json = looseObject(x.Body)
	if len(x.Request.Proofs) > 0 {
		g.proof = readLooseProof(x.Request.Proofs[0].Reveal())
	}
	g.readCredentials()
	g.role = roleOf(g)
	g.said = readSaid(g, topics)
	return g
}

func originOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch scheme := strings.ToLower(u.Scheme); {
	case scheme == "https":
		host = strings.TrimSuffix(host, ":443")
	case scheme == "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return strings.ToLower(u.Scheme) + "://" + host
}

// place is the URL without query: what may be shown.
func (g *sight) place() string {
	return g.origin + g.url.EscapedPath()
}

func (g *sight) readCredentials() {
	switch a := g.x.Request.Authorization; {
	case len(a) > 0:
		v := strings.TrimSpace(a[0].Reveal())
		name, rest, spaced := strings.Cut(v, " ")
		if i := strings.IndexAny(name, ":="); i > 0 && (strings.EqualFold(name[:i], "bearer") || strings.EqualFold(name[:i], "dpop")) {
			name, rest = name[:i], name[i:]+" "+rest
		}
		if !spaced && !strings.EqualFold(name, "bearer") && !strings.EqualFold(name, "dpop") {
			if marked(v) {
				return // scheme and token are both unknown
			}
			if strings.Count(v, ".") == 2 || len(v) > 20 { // a token without a scheme
				g.token = readLooseToken(v)
				return
			}
		}
		g.scheme = name
		if g.usesToken() {
			g.token = readLooseToken(strings.TrimLeft(rest, " "))
		}
	case len(g.x.Request.Query) > 0:
		g.token = readLooseToken(g.x.Request.Query[0].Reveal())
	}
}

// usesToken reports whether the scheme carries an access token; Basic does not.
func (g *sight) usesToken() bool {
	switch strings.ToLower(g.scheme) {
	case "bearer", "dpop", "token", "gnap", "pop":
		return true
	}
	return false
}

func (g *sight) dpop() bool   { return strings.EqualFold(g.scheme, "DPoP") }
func (g *sight) bearer() bool { return strings.EqualFold(g.scheme, "Bearer") }

// hides reports whether a fact was removed from the evidence of this request.
func (g *sight) hides(f holdfast.Fact) bool { return g.x.Request.Hidden&f != 0 }

// outcome of one row of the check table; Unknown without a report.
func (g *sight) outcome(check string) holdfast.Outcome {
	if g.report != nil {
		if o, ok := g.report.Outcome(check); ok {
			return o
		}
	}
	return holdfast.Outcome{Check: check}
}

func (g *sight) fails(codes ...holdfast.Code) bool {
	if g.report == nil {
		return false
	}
	for _, o := range g.report.Outcomes {
		if o.Status != holdfast.Fail {
			continue
		}
		for _, c := range codes {
			if o.Code == c {
				return true
			}
		}
	}
	return false
}

// readForm reads a request body as form parameters; a JSON object of strings
// counts as well, because some token endpoints take it.
func readForm(x *holdfast.Exchange) url.Values {
	if len(x.RequestBody) == 0 {
		return nil
	}
	kind, _, _ := mime.ParseMediaType(x.RequestHeader.Get("Content-Type"))
	if strings.HasSuffix(kind, "json") || kind == "" && x.RequestBody[0] == '{' {
		var m map[string]any
		if json.Unmarshal(x.RequestBody, &m) != nil {
			return nil
		}
		out := url.Values{}
		for k, v := range m {
			if s, ok := v.(string); ok {
				out.Set(k, s)
			}
		}
		return out
	}
	if kind == "" || kind == "application/x-www-form-urlencoded" {
		if v, err := url.ParseQuery(strings.TrimSpace(string(x.RequestBody))); err == nil {
			return v
		}
	}
	return nil
}

// roleOf tells what a request was for, by method, parameters and answer, and
// only then by path.
func roleOf(g *sight) role {
	method := strings.ToUpper(g.x.Request.Method)
	path := strings.ToLower(g.url.Path)
	q := g.url.Query()
	switch {
	case method == http.MethodOptions && (g.x.RequestHeader.Get("Access-Control-Request-Method") != "" || g.x.RequestHeader.Get("Origin") != ""):
		return rolePreflight
	case strings.Contains(path, "/.well-known/") || g.json["token_endpoint"] != nil || g.json["authorization_servers"] != nil:
		return roleMetadata
	case method == http.MethodGet && g.json["keys"] != nil && !g.usesToken():
		return roleMetadata
	case g.form.Get("grant_type") != "":
		return roleToken
	case method == http.MethodPost && g.json["access_token"] != nil && g.json["token_type"] != nil:
		return roleToken
	case method == http.MethodPost && (g.form.Get("response_type") != "" || g.json["request_uri"] != nil || g.form.Has("code_challenge")):
		return rolePAR
	case q.Get("response_type") != "" || q.Get("request_uri") != "" && q.Get("client_id") != "":
		return roleAuthorization
	case method == http.MethodPost && strings.Contains(path, "introspect"):
		return roleIntrospection
	case method == http.MethodPost && (strings.Contains(path, "/revoke") || strings.HasSuffix(path, "/revocation")):
		return roleRevocation
	case method == http.MethodPost && g.form.Has("token"):
		return roleIntrospection
	}
	// Without a body (curl does not show it) only the path is left.
	if method == http.MethodPost && !g.usesToken() {
		last := path[strings.LastIndexByte(path, '/')+1:]
		switch {
		case last == "par" || strings.Contains(path, "pushed"):
			return rolePAR
		case last == "token" || last == "tokens" || strings.HasSuffix(path, "/oauth2/token") || strings.HasSuffix(path, "token.oauth2") || strings.HasSuffix(path, "/access_token"):
			return roleToken
		}
	}
	return roleResource
}

// grant identifies the credential that a token request spends: a code, a
// refresh token, a device code. "" if unknown or removed.
func (g *sight) grant() (kind, value string) {
	for _, k := range [...]string{"code", "refresh_token", "device_code", "subject_token", "assertion"} {
		if v := g.form.Get(k); v != "" {
			if id := identity(v); id != "" {
				return k, id
			}
			return k, ""
		}
	}
	return g.form.Get("grant_type"), ""
}

// identity makes a value comparable without keeping it: the value itself, or
// the hash in its mark. A mark without a hash has none.
func identity(v string) string {
	if _, mark, ok := splitMark(v); ok {
		if h := markedHash(mark); h != "" {
			return "sha256=" + h
		}
		return ""
	}
	sum := sha256.Sum256([]byte(v))
	return "sha256=" + jose.EncodeSegment(sum[:])
}

// statusText is the status as people say it.
func (g *sight) statusText() string {
	if g.x.Status == 0 {
		return "no answer"
	}
	return strconv.Itoa(g.x.Status)
}

// relevant reports whether the exchange has to do with OAuth at all: credentials,
// a proof, a challenge, an OAuth error, or an endpoint of an authorization server.
func (g *sight) relevant() bool {
	if g.usesToken() || g.proof != nil || g.token != nil {
		return true
	}
	switch g.role {
	case roleToken, rolePAR, roleAuthorization, roleIntrospection, roleRevocation:
		return true
	}
	if g.said.offers("DPoP") || g.said.offers("Bearer") || g.said.nonces > 0 {
		return true
	}
	return g.hides(holdfast.FactAuthorization | holdfast.FactProof)
}

// jkt is the thumbprint of the proof key as text, "" if there is none.
func (g *sight) jkt() string {
	if g.proof == nil || g.proof.jkt.IsZero() {
		return ""
	}
	return g.proof.jkt.String()
}
