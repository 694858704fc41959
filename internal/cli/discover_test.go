package cli

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// A URL leads to its authorization server, or the error says what is missing.
func TestDiscover(t *testing.T) {
	// One server is two issuers and several APIs.
	mux := http.NewServeMux()
	s := httptest.NewTLSServer(mux)
	t.Cleanup(s.Close)
	serve := func(path string, answer func() map[string]any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, http.StatusOK, answer()) })
	}
	for _, name := range []string{"/as1", "/as2"} {
		serve("/.well-known/oauth-authorization-server"+name, func() map[string]any {
			return map[string]any{"issuer": s.URL + name, "token_endpoint": s.URL + "/token", "response_types_supported": []string{"code"}}
		})
	}
	resource := func(place, name string, servers ...string) {
		serve(place, func() map[string]any {
			m := map[string]any{"resource": s.URL + name}
			if len(servers) > 0 {
				for i := range servers {
					servers[i] = s.URL + strings.TrimPrefix(servers[i], s.URL)
				}
				m["authorization_servers"] = servers
			}
			return m
		})
	}
	resource("/.well-known/oauth-protected-resource/one", "/one", "/as1")
	resource("/.well-known/oauth-protected-resource/both", "/both", "/as1", "/as2")
	resource("/.well-known/oauth-protected-resource/none", "/none")
	resource("/.well-known/oauth-protected-resource/lost", "/lost", "/as3")
	resource("/.well-known/oauth-protected-resource/as1", "/as1", "/as2") // both
	resource("/elsewhere", "/hidden", "/as2")                             // RFC 9728 section 5: only the challenge names it
	mux.HandleFunc("/hidden/orders", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer, DPoP resource_metadata="`+s.URL+`/elsewhere"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	mux.HandleFunc("/foreign", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `DPoP resource_metadata="https://other.example/elsewhere"`)
		w.WriteHeader(http.StatusUnauthorized)
	})

	caFile := filepath.Join(t.TempDir(), "ca.pem")
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(caFile, b, 0o600); err != nil {
		t.Fatal(err)
	}
	a := &app{}
	base, err := a.newBase(caFile)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(base.CloseIdleConnections)
	x := &account{app: a, base: base}
	for _, tt := range []struct {
		name, path, issuer string
		server, resource   string
		want               string // of the error
		status             int
	}{
		{name: "an issuer", path: "/as1", server: "/as1"},
		{name: "an API", path: "/one", server: "/as1", resource: "/one"},
		{name: "an API of several servers", path: "/both", want: "names several authorization servers", status: exitUsage},
		{name: "the one that was chosen", path: "/both", issuer: "/as2", server: "/as2", resource: "/both"},
		{name: "one that the API does not name", path: "/one", issuer: "/as2", want: "--issuer is", status: exitUsage},
		{name: "the one that was chosen, of an API that is a server itself", path: "/as1", issuer: "/as2", server: "/as2", resource: "/as1"},
		{name: "the one that was chosen, which is this one", path: "/as1", issuer: "/as1", server: "/as1"},
		{name: "a server that was not chosen", path: "/as2", issuer: "/as1", want: "--issuer is", status: exitUndetermined},
		{name: "an API of no server", path: "/none", want: "names no authorization server", status: exitUndetermined},
		{name: "an API of a server that is not there", path: "/lost", want: "not there", status: exitUndetermined},
		{name: "an API that says so in its challenge", path: "/hidden/orders", server: "/as2", resource: "/hidden"},
		{name: "a challenge that points elsewhere", path: "/foreign", want: "the request went to", status: exitUndetermined},
		{name: "neither", path: "/nothing", want: "names no metadata", status: exitUndetermined},
	} {
		t.Run(tt.name, func(t *testing.T) {
			issuer := tt.issuer
			if issuer != "" {
				issuer = s.URL + issuer
			}
			got, err := x.discover(t.Context(), s.URL+tt.path, issuer)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) || statusOf(err) != tt.status {
					t.Fatalf("error %v with status %d, want %q with %d", err, statusOf(err), tt.want, tt.status)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.server.Issuer != s.URL+tt.server {
				t.Errorf("issuer %s, want %s", got.server.Issuer, tt.server)
			}
			if (got.resource == nil) != (tt.resource == "") || got.resource != nil && got.resource.Resource != s.URL+tt.resource {
				t.Errorf("resource %+v, want %q", got.resource, tt.resource)
			}
		})
	}
	s.Close()
	if _, err := x.discover(t.Context(), s.URL+"/as1", ""); statusOf(err) != exitUndetermined {
		t.Errorf("error %v of a server that is gone", err)
	}
}

func TestTheAlgorithmOfANewKey(t *testing.T) {
	for _, tt := range []struct {
		listed []string
		want   holdfast.Alg
	}{
		{nil, holdfast.ES256},
		{[]string{"RS256", "ES256"}, holdfast.ES256},
		{[]string{"RS256", "ES384"}, holdfast.ES384},
		{[]string{"ML-DSA-44"}, holdfast.ES256},
	} {
		if got := algFor(&metadata.Server{DPoPSigningAlgs: tt.listed}); got != tt.want {
			t.Errorf("of %v %s is chosen, want %s", tt.listed, got, tt.want)
		}
	}
}

func TestCertificatesToTrust(t *testing.T) {
	a := &app{}
	dir := t.TempDir()
	for name, path := range map[string]string{"no file": filepath.Join(dir, "absent"), "no certificate": put(t, dir, "x.pem", "x")} {
		if _, err := a.newBase(path); err == nil || !strings.Contains(err.Error(), "--ca-file") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestCertificatesToTrustWithoutHTTP2(t *testing.T) {
	r := newRecorder(t)
	sh := newShell(t, r.caFile)
	sh.env = append(sh.env, "GODEBUG=http2client=0")
	if got := sh.run("", "login", r.URL, "--client-id", "my-tool"); got.status != 0 {
		t.Errorf("status %d: %s", got.status, got.talk)
	}
}
