package metadata

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// site is a server over TLS with documents at its paths; $ORIGIN in them is its
// own origin. Without one it answers 404. It notes what it was asked for.
type site struct {
	*httptest.Server
	mu    sync.Mutex
	pages map[string]http.HandlerFunc
	asked []string
}

func newSite(t testing.TB, pages map[string]string) *site {
	t.Helper()
	s := &site{pages: map[string]http.HandlerFunc{}}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.URL.RequestURI())
		page := s.pages[r.URL.RequestURI()]
		s.mu.Unlock()
		if page == nil {
			page = http.NotFound
		}
		page(w, r)
	}))
	t.Cleanup(s.Close)
	for path, text := range pages {
		s.serve(path, says(http.StatusOK, strings.ReplaceAll(text, "$ORIGIN", s.URL)))
	}
	return s
}

func (s *site) serve(path string, page http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages[path] = page
}

func (s *site) wantAsked(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.asked, want) {
		t.Errorf("asked for %q, want %q", s.asked, want)
	}
}

func (s *site) fetcher() *Fetcher { return &Fetcher{HTTP: s.Client()} }

func says(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

func wantProblem(t *testing.T, err error, want Problem) {
	t.Helper()
	var typed *Error
	if !errors.Is(err, want) || !errors.As(err, &typed) {
		t.Errorf("got %v, want %q", err, want)
		return
	}
	if text := err.Error(); strings.Contains(text, "s3cret") || len(text) > 1500 || strings.ContainsAny(text, "\x1b") {
		t.Errorf("an error that must not be logged: %.2000q", text)
	}
}

const (
	asPath   = "/.well-known/oauth-authorization-server"
	oidcPath = "/.well-known/openid-configuration"
	prmPath  = "/.well-known/oauth-protected-resource"
)

func TestServerIsFound(t *testing.T) {
	const doc = `{"issuer":"$ORIGIN","token_endpoint":"$ORIGIN/token"}`
	const tenant = `{"issuer":"$ORIGIN/t1","token_endpoint":"$ORIGIN/t1/token"}`
	for _, tt := range []struct {
		name, issuer string // issuer after the origin
		pages        map[string]string
		asked        []string
	}{
		{"at its own place", "", map[string]string{asPath: doc}, []string{asPath}},
		{"which goes first", "", map[string]string{asPath: doc, oidcPath: `{}`}, []string{asPath}},
		{"at the place of OpenID Connect", "", map[string]string{oidcPath: doc}, []string{asPath, oidcPath}},
		{"where the first place has a page for everything", "", map[string]string{asPath: `<html>`, oidcPath: doc}, []string{asPath, oidcPath}},
		{"with a path", "/t1", map[string]string{asPath + "/t1": tenant}, []string{asPath + "/t1"}},
		{"with a path, OpenID Connect after it", "/t1", map[string]string{"/t1" + oidcPath: tenant}, []string{asPath + "/t1", oidcPath + "/t1", "/t1" + oidcPath}},
		{"with a path, OpenID Connect before it", "/t1", map[string]string{oidcPath + "/t1": tenant}, []string{asPath + "/t1", oidcPath + "/t1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, tt.pages)
			got, err := s.fetcher().Server(t.Context(), s.URL+tt.issuer)
			if err != nil {
				t.Fatal(err)
			}
			if got.Issuer != s.URL+tt.issuer || got.TokenEndpoint != s.URL+tt.issuer+"/token" {
				t.Errorf("got %+v", got)
			}
			s.wantAsked(t, tt.asked...)
		})
	}
}

func TestServerIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name, document string // the document at the first place
		want           Problem
	}{
		{"ASM-3.3-01: another issuer", `{"issuer":"https://other.example","token_endpoint":"$ORIGIN/token"}`, Mismatch},
		{"ASM-3.3-01: a slash more", `{"issuer":"$ORIGIN/","token_endpoint":"$ORIGIN/token"}`, Mismatch},
		{"an issuer that would change a terminal", `{"issuer":"\u001b[2J` + strings.Repeat("x", 5000) + `"}`, Mismatch},
		{"no issuer", `{"token_endpoint":"$ORIGIN/token"}`, Unusable},
		{"issuer twice", `{"issuer":"https://other.example","issuer":"$ORIGIN"}`, Unusable},
		{"D-2-01: an endpoint over http", `{"issuer":"$ORIGIN","token_endpoint":"http://as.example/token"}`, Unusable},
		{"an endpoint that is a path", `{"issuer":"$ORIGIN","jwks_uri":"/jwks"}`, Unusable},
		{"an endpoint with credentials", `{"issuer":"$ORIGIN","introspection_endpoint":"https://u:s3cret@as.example/"}`, Unusable},
		{"an alias over http", `{"issuer":"$ORIGIN","mtls_endpoint_aliases":{"token_endpoint":"http://as.example/token"}}`, Unusable},
		{"too long", `{"issuer":"$ORIGIN"}` + strings.Repeat(" ", MaxBytes), Unusable},
		{"a key set", `{"keys":[]}`, Unusable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, map[string]string{asPath: tt.document})
			got, err := s.fetcher().Server(t.Context(), s.URL)
			if got != nil {
				t.Errorf("got %+v", got)
			}
			wantProblem(t, err, tt.want)
		})
	}
}

// ASM-4-01: names that look alike are not the same.
func TestIssuersAreNotNormalised(t *testing.T) {
	s := newSite(t, map[string]string{asPath + "/%C3%A9": `{"issuer":"$ORIGIN/e\u0301"}`})
	_, err := s.fetcher().Server(t.Context(), s.URL+"/\u00e9")
	wantProblem(t, err, Mismatch)
	s.serve(asPath+"/%C3%A9", says(http.StatusOK, `{"issuer":"`+s.URL+`/\u00e9"}`))
	if _, err := s.fetcher().Server(t.Context(), s.URL+"/\u00e9"); err != nil {
		t.Error(err)
	}
}

// An answer about somebody else is an answer: no other place is asked.
func TestServerMismatchEndsTheSearch(t *testing.T) {
	s := newSite(t, map[string]string{
		asPath:   `{"issuer":"https://other.example"}`,
		oidcPath: `{"issuer":"$ORIGIN"}`,
	})
	_, err := s.fetcher().Server(t.Context(), s.URL)
	wantProblem(t, err, Mismatch)
	s.wantAsked(t, asPath)
}

func TestServerAnswers(t *testing.T) {
	elsewhere := newSite(t, nil)
	elsewhere.serve("/", says(http.StatusOK, `{}`))
	written := make(chan int, 2)
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		want   Problem
		status int
		asked  []string
	}{
		{"nothing anywhere", http.NotFound, NotThere, 404, []string{asPath, oidcPath}},
		{"an error tells more than an absence", says(http.StatusInternalServerError, ""), Unusable, 500, []string{asPath, oidcPath}},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		}, Unusable, 302, []string{asPath, oidcPath}},
		{"a broken connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, Unreachable, 0, nil},
		{"the end is missing", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{}`)
		}, Unreachable, 200, []string{asPath}},
		{"a gigabyte", func(w http.ResponseWriter, _ *http.Request) {
			n, chunk := 0, make([]byte, 1<<16)
			for n < 1<<30 {
				if _, err := w.Write(chunk); err != nil {
					break
				}
				n += len(chunk)
			}
			written <- n
		}, Unusable, 200, []string{asPath, oidcPath}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, nil)
			s.serve(asPath, tt.answer)
			if tt.status == http.StatusOK {
				s.serve(oidcPath, tt.answer)
			}
			_, err := s.fetcher().Server(t.Context(), s.URL)
			wantProblem(t, err, tt.want)
			if e := (*Error)(nil); errors.As(err, &e) && (e.Status != tt.status || e.URL != s.URL+asPath) {
				t.Errorf("status %d of %s, want %d of the first place", e.Status, e.URL, tt.status)
			}
			if tt.asked != nil { // net/http itself asks twice when a connection breaks
				s.wantAsked(t, tt.asked...)
			}
		})
	}
	elsewhere.wantAsked(t)
	for range 2 {
		if n := <-written; n >= 1<<30 {
			t.Error("the whole gigabyte was taken")
		}
	}
}

func TestServerErrorIsTheMostTellingOne(t *testing.T) {
	s := newSite(t, nil)
	s.serve(oidcPath, says(http.StatusInternalServerError, ""))
	_, err := s.fetcher().Server(t.Context(), s.URL)
	wantProblem(t, err, Unusable) // and not that there is nothing at the first place
	s.wantAsked(t, asPath, oidcPath)
}

func TestServerUnreachable(t *testing.T) {
	s := newSite(t, nil)
	f := s.fetcher()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.Server(ctx, s.URL)
	wantProblem(t, err, Unreachable)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v does not say that the caller gave up", err)
	}
	s.Close()
	_, err = f.Server(t.Context(), s.URL)
	wantProblem(t, err, Unreachable)
}

func TestServerWithoutTrust(t *testing.T) {
	s := newSite(t, map[string]string{asPath: `{"issuer":"$ORIGIN"}`})
	_, err := new(Fetcher).Server(t.Context(), s.URL) // the zero value knows no test certificate
	wantProblem(t, err, Unreachable)
	s.wantAsked(t)
}

func TestIdentifiersThatCannotBeAsked(t *testing.T) {
	f := new(Fetcher)
	for _, bad := range []string{"", "as.example", "http://as.example", "https://u:s3cret@as.example", "https://as.example/#s3cret"} {
		_, err1 := f.Server(t.Context(), bad)
		_, err2 := f.Resource(t.Context(), bad)
		_, err3 := f.ResourceFromChallenge(t.Context(), bad, "https://as.example")
		for _, err := range []error{err1, err2, err3} {
			if bad == "https://as.example/#s3cret" && err == err3 {
				continue // the fragment of a request is never sent
			}
			if err == nil || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%q: error %v", bad, err)
			}
		}
	}
}

func TestResource(t *testing.T) {
	for _, tt := range []struct {
		name, path, document string
		want                 Problem // 0: none
	}{
		{"its own document", "/api", `{"resource":"$ORIGIN/api","authorization_servers":["$ORIGIN"],"dpop_bound_access_tokens_required":true}`, 0},
		{"PRM-3.2-02: members that are not understood", "/api", `{"resource":"$ORIGIN/api","x_new":{}}`, 0},
		{"PRM-3.3-03: signed_metadata is ignored", "/api", `{"resource":"$ORIGIN/api","signed_metadata":"e30.e30.e30"}`, 0},
		{"a query", "/api?k=v", `{"resource":"$ORIGIN/api?k=v"}`, 0},
		{"PRM-3.3-01: another resource", "/api", `{"resource":"https://other.example/api"}`, Mismatch},
		{"PRM-3.3-01: a slash more", "/api", `{"resource":"$ORIGIN/api/"}`, Mismatch},
		{"PRM-3.3-01: its parent", "/api", `{"resource":"$ORIGIN"}`, Mismatch},
		{"another query", "/api?k=v", `{"resource":"$ORIGIN/api?k=s3cret"}`, Mismatch},
		{"no resource", "/api", `{"authorization_servers":["$ORIGIN"]}`, Unusable},
		{"D-2-01: an authorization server over http", "/api", `{"resource":"$ORIGIN/api","authorization_servers":["http://as.example"]}`, Unusable},
		{"an authorization server without name", "/api", `{"resource":"$ORIGIN/api","authorization_servers":[""]}`, Unusable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, map[string]string{prmPath + tt.path: tt.document})
			f := s.fetcher()
			f.AllowParent = true // counts for challenges only
			got, err := f.Resource(t.Context(), s.URL+tt.path)
			if tt.want != 0 {
				wantProblem(t, err, tt.want)
				return
			}
			if err != nil || got.Resource != s.URL+tt.path {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestResourceFromChallenge(t *testing.T) {
	const place = "/meta?v=1"
	for _, tt := range []struct {
		name, request, resource string // after the origin
		allowParent             bool
		want                    Problem // 0: none
	}{
		{"the URL of the request", "/api/items", "/api/items", false, 0},
		{"with its query", "/api/items?a=b", "/api/items?a=b", false, 0},
		{"a fragment is not part of it", "/api/items#top", "/api/items", false, 0},
		{"PRM-3.3-02: another path", "/api/items", "/other", false, Mismatch},
		{"PRM-3.3-02: a parent", "/api/items", "/api", false, Mismatch},
		{"without its query", "/api/items?a=s3cret", "/api/items", false, Mismatch},
		{"a parent where that is allowed", "/api/items?a=b", "/api", true, 0},
		{"a parent with a slash", "/api/items", "/api/", true, 0},
		{"the whole origin", "/api/items", "", true, 0},
		{"the same path without the query", "/api/items?a=b", "/api/items", true, 0},
		{"half a segment", "/apiary/items", "/api", true, Mismatch},
		{"a child", "/api", "/api/items", true, Mismatch},
		{"a path with dot segments", "/api/../other", "/api", true, Mismatch},
		{"a path with encoded dot segments", "/api/%2e%2e/other", "/api", true, Mismatch},
		{"a path with encoded slashes around them", "/api/x%2F..%2F..%2Fother", "/api", true, Mismatch},
		{"a parent with a query", "/api/items", "/api?a=b", true, Mismatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, map[string]string{place: `{"resource":"$ORIGIN` + tt.resource + `","authorization_servers":["$ORIGIN"]}`})
			f := s.fetcher()
			f.AllowParent = tt.allowParent
			got, err := f.ResourceFromChallenge(t.Context(), s.URL+tt.request, s.URL+place)
			if tt.want != 0 {
				wantProblem(t, err, tt.want)
				return
			}
			if err != nil || got.Resource != s.URL+tt.resource {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

// A challenge makes a client call nobody but the server that sent it.
func TestResourceFromChallengeElsewhere(t *testing.T) {
	s, other := newSite(t, nil), newSite(t, nil)
	doc, err := json.Marshal(Resource{Resource: s.URL + "/api"})
	if err != nil {
		t.Fatal(err)
	}
	other.serve("/meta", says(http.StatusOK, string(doc)))
	for _, tt := range []struct {
		name, place string
		want        Problem
	}{
		{"another origin", other.URL + "/meta", Mismatch},
		{"PRM-7.7-01: an address of a cloud", "https://169.254.169.254/latest?s3cret", Mismatch},
		{"D-2-01: no TLS", "http://api.example/meta?s3cret", Unusable},
		{"a path", "/meta", Unusable},
		{"user information", "https://u:s3cret@api.example/", Unusable},
		{"a file", "file:///etc/passwd", Unusable},
		{"nothing", "", Unusable},
		{"a terminal", "https://\x1b[2J/", Unusable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, allow := range []bool{false, true} {
				f := s.fetcher()
				f.AllowParent = allow
				got, err := f.ResourceFromChallenge(t.Context(), s.URL+"/api", tt.place)
				if got != nil {
					t.Errorf("got %+v", got)
				}
				wantProblem(t, err, tt.want)
			}
		})
	}
	s.wantAsked(t)
	other.wantAsked(t)
}

// PRM-5.2-01: nothing is kept, so a new challenge gives the document of now.
func TestResourceIsFetchedAgain(t *testing.T) {
	s := newSite(t, nil)
	for _, as := range []string{"https://one.example", "https://two.example"} {
		text := `{"resource":"` + s.URL + `/api","authorization_servers":["` + as + `"]}`
		s.serve("/meta", says(http.StatusOK, text))
		got, err := s.fetcher().ResourceFromChallenge(t.Context(), s.URL+"/api", s.URL+"/meta")
		if err != nil || !slices.Equal(got.AuthorizationServers, []string{as}) {
			t.Errorf("got %+v, %v, want %s", got, err, as)
		}
	}
}

// PRM-7.7-01: net/http maps these names to addresses inside.
func TestAddressesInsideOfOtherSpellings(t *testing.T) {
	for _, host := range []string{"\uff11\uff10.1.2.3", "127\u30020\u30020\u30021", "\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3", "%EF%BC%91%EF%BC%90.1.2.3"} {
		r := Resource{Resource: "https://api.example", AuthorizationServers: []string{"https://" + host + "/x"}}
		if err := r.checkURLs("https://api.example"); err == nil {
			t.Errorf("%s is accepted", host)
		}
	}
}

// PRM-7.7-01: a public document does not lead inside.
func TestAddressesInside(t *testing.T) {
	for host, want := range map[string]bool{
		"api.example": false, "192.0.2.1": false, "[2001:db8::1]": false, "127.0.0.1.example": false, "xn--0x-example.example": false,
		"localhost": true, "LOCALHOST": true, "localhost.": true, "a.localhost": true,
		"127.0.0.1": true, "127.1": true, "2130706433": true, "0x7f000001": true, "127.0.0.0x1": true, "127.0.0.1.": true,
		"10.1.2.3": true, "192.168.0.1": true, "172.16.0.1": true, "169.254.169.254": true, "0.0.0.0": true, "224.0.0.1": true,
		"100.63.255.255": false, "100.64.0.1": true, "100.100.100.200": true, "100.128.0.0": false,
		"[::1]": true, "[::]": true, "[fd00::1]": true, "[fe80::1]": true, "[::ffff:10.0.0.1]": true,
	} {
		t.Run(host, func(t *testing.T) {
			address := "https://" + host + "/x"
			r := Resource{Resource: "https://api.example", AuthorizationServers: []string{address}}
			if got := r.checkURLs("https://api.example") != nil; got != want {
				t.Errorf("refused: %v, want %v", got, want)
			}
			if err := r.checkURLs("https://10.0.0.1"); err != nil {
				t.Errorf("a document from inside: %v", err)
			}
			s := Server{Issuer: "https://as.example", MTLSEndpointAliases: map[string]string{"token_endpoint": address}}
			if got := s.checkURLs("https://as.example") != nil; got != want {
				t.Errorf("alias refused: %v, want %v", got, want)
			}
		})
	}
}

// Every endpoint of the type is checked.
func TestEveryEndpointIsChecked(t *testing.T) {
	for _, member := range []string{
		"authorization_endpoint", "token_endpoint", "jwks_uri", "registration_endpoint", "revocation_endpoint",
		"introspection_endpoint", "userinfo_endpoint", "pushed_authorization_request_endpoint", "device_authorization_endpoint",
	} {
		s, err := ParseServer([]byte(`{"issuer":"https://as.example","` + member + `":"http://as.example/"}`))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.checkURLs(s.Issuer); err == nil || !strings.Contains(err.Error(), member) {
			t.Errorf("%s over http: %v", member, err)
		}
	}
}

func TestErrorText(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  *Error
		want string
	}{
		{"absent", &Error{URL: "https://as.example/x", Problem: NotThere, Status: 404}, `metadata at "https://as.example/x": not there, status 404`},
		{"with details", &Error{URL: "https://as.example/x", Problem: Unreachable, Err: errors.New("no route")}, `metadata at "https://as.example/x": unreachable: no route`},
		{"about somebody else", &Error{Problem: Mismatch}, `metadata at "": not what was asked for`},
		{"the zero value", &Error{}, `metadata at "": unknown problem`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.err.Error(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
