package cli

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// recorder is an authorization server and an API at one address that believe
// everything and remember every secret that they saw or made.
type recorder struct {
	*httptest.Server
	caFile string

	mu       sync.Mutex
	secrets  []string
	made     int
	expires  int // expires_in of new tokens
	renewals int
	refuse   bool // every renewal
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	r := &recorder{expires: 300}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", r.metadata)
	mux.HandleFunc("GET /authorize", r.authorize)
	mux.HandleFunc("POST /device", r.device)
	mux.HandleFunc("POST /token", r.token)
	mux.HandleFunc("POST /revoke", func(w http.ResponseWriter, q *http.Request) { r.saw(q); w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("/api/", r.api)
	r.Server = httptest.NewTLSServer(mux)
	t.Cleanup(r.Close)
	r.caFile = filepath.Join(t.TempDir(), "ca.pem")
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw})
	if err := os.WriteFile(r.caFile, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// secret makes a new secret value and remembers it; r.mu is held.
func (r *recorder) secret(kind string) string {
	r.made++
	s := kind + "-" + strconv.Itoa(r.made) + "-K7wQ2mVbXz9Lr4Rf"
	r.secrets = append(r.secrets, s)
	return s
}

// saw remembers the secrets of a request.
func (r *recorder) saw(q *http.Request) {
	_ = q.ParseForm()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secrets = append(r.secrets, q.Header.Values("DPoP")...)
	r.secrets = append(r.secrets, q.Header.Values("Cookie")...)
	if _, secret, ok := q.BasicAuth(); ok {
		r.secrets = append(r.secrets, secret)
	}
	for _, name := range []string{"code", "code_verifier", "client_secret", "refresh_token", "token", "device_code"} {
		if v := q.PostForm.Get(name); v != "" {
			r.secrets = append(r.secrets, v)
		}
	}
}

func answerJSON(w http.ResponseWriter, status int, v map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (r *recorder) metadata(w http.ResponseWriter, _ *http.Request) {
	answerJSON(w, http.StatusOK, map[string]any{
		"issuer": r.URL, "authorization_endpoint": r.URL + "/authorize", "token_endpoint": r.URL + "/token",
		"device_authorization_endpoint": r.URL + "/device", "revocation_endpoint": r.URL + "/revoke",
		"response_types_supported": []string{"code"}, "code_challenge_methods_supported": []string{"S256"},
		"dpop_signing_alg_values_supported": []string{"ES256"},
	})
}

func (r *recorder) authorize(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := q.URL.Query()
	http.Redirect(w, q, v.Get("redirect_uri")+"?code="+r.secret("code")+"&state="+v.Get("state"), http.StatusFound)
}

func (r *recorder) device(w http.ResponseWriter, q *http.Request) {
	r.saw(q)
	r.mu.Lock()
	defer r.mu.Unlock()
	answerJSON(w, http.StatusOK, map[string]any{
		"device_code": r.secret("device-code"), "user_code": "WDJB-MJHT", "verification_uri": r.URL + "/activate", "expires_in": 60, "interval": 1,
	})
}

func (r *recorder) token(w http.ResponseWriter, q *http.Request) {
	r.saw(q)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case q.PostForm.Get("client_id") == "refused", r.refuse:
		// A server that repeats secrets must not make us do so.
		answerJSON(w, http.StatusBadRequest, map[string]any{
			"error": "invalid_grant", "error_description": "bad code " + q.PostForm.Get("code") + " for " + q.Header.Get("DPoP"),
		})
		return
	case q.PostForm.Get("grant_type") == "refresh_token":
		r.renewals++
	}
	answerJSON(w, http.StatusOK, map[string]any{
		"access_token": r.secret("access"), "refresh_token": r.secret("refresh"), "token_type": "DPoP", "expires_in": r.expires,
	})
}

// api demands a nonce once, and below /api/refused refuses with an answer that
// repeats everything.
func (r *recorder) api(w http.ResponseWriter, q *http.Request) {
	r.saw(q)
	w.Header().Set("DPoP-Nonce", "nonce-1")
	w.Header().Set("Set-Cookie", "session=cookie-K7wQ2mVbXz9Lr4Rf")
	claims := strings.Split(q.Header.Get("DPoP"), ".")
	switch _, token, _ := strings.Cut(q.Header.Get("Authorization"), " "); {
	case len(claims) == 3 && !strings.Contains(decoded64(claims[1]), `"nonce":"nonce-1"`):
		w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce"`)
		w.WriteHeader(http.StatusUnauthorized)
	case strings.HasPrefix(q.URL.Path, "/api/refused"):
		w.Header().Set("WWW-Authenticate", `DPoP error="invalid_token", error_description="the token `+token+` is not for `+q.URL.RawQuery+`"`)
		w.WriteHeader(http.StatusUnauthorized)
	case q.URL.Path == "/api/status":
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 403 no \x1b[2J"+token+"\r\nContent-Length: 0\r\n\r\n")
	case q.URL.Path == "/api/broken":
		w.Header().Set("Content-Length", "8")
		_, _ = w.Write([]byte("half"))
	case q.URL.Path == "/api/endless":
		_ = http.NewResponseController(w).Flush()
		<-q.Context().Done()
	default:
		_, _ = w.Write([]byte("fine\n"))
	}
}

// lives sets expires_in of the tokens to come, in seconds.
func (r *recorder) lives(seconds int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expires = seconds
}

// seen returns every secret so far.
func (r *recorder) seen() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string{"cookie-K7wQ2mVbXz9Lr4Rf"}, r.secrets...)
}
