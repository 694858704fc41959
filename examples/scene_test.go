// Package examples_test shows how the packages of this module are used together.
// Every example runs. The authorization servers are those of package holdfasttest,
// but for the one that shows ours; the resources listen on loopback with TLS.
package examples_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
	"github.com/holdfast-oauth/holdfast/resource"
)

// scene is what package holdfasttest needs of a test, for an example, which has
// none. Whoever embeds a test double in a real test passes its *testing.T.
type scene struct {
	testing.TB // nil: the methods below are all that is called
	cleanups   []func()
}

func (s *scene) Helper()          {}
func (s *scene) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }
func (s *scene) Fatal(args ...any) {
	fmt.Fprintln(os.Stderr, args...)
	os.Exit(1)
}

func (s *scene) end() {
	for _, f := range s.cleanups {
		f()
	}
}

func (s *scene) check(err error) {
	if err != nil {
		s.Fatal(err)
	}
}

// authorizationServer starts one that knows the client "orders-app".
func (s *scene) authorizationServer(c holdfasttest.ServerConfig) *holdfasttest.Server {
	c.Clients = append(c.Clients, holdfasttest.Client{ID: "orders-app", Secret: holdfast.NewSecret("a-secret-of-the-client")})
	return holdfasttest.NewServer(s, c)
}

// resource starts a TLS server; what it serves is added to the mux afterwards,
// because a guard has to know the URL. Client certificates are asked for, which
// [Example_certificateBoundTokens] needs.
func (s *scene) resource() (*httptest.Server, *http.ServeMux) {
	mux := http.NewServeMux()
	srv := httptest.NewUnstartedServer(mux)
	srv.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert}
	srv.StartTLS()
	s.Cleanup(srv.Close)
	return srv, mux
}

// quiet is a log for examples, whose refusals are on purpose.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// hello greets whoever the guard has let through.
func hello(w http.ResponseWriter, r *http.Request) {
	access, _ := resource.AccessFrom(r.Context())
	fmt.Fprintf(w, "hello %s, holder of a key: %t", access.Token.ClientID, !access.Holder.IsZero())
}

// get prints the status of an answer with its body, or with the code of a refusal.
func (s *scene) get(c *http.Client, url string) {
	resp, err := c.Get(url)
	s.check(err)
	s.print(resp)
}

func (s *scene) print(resp *http.Response) {
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	s.check(err)
	if resp.Header.Get("Content-Type") == "application/problem+json" { // RFC 9457
		var p struct {
			Code string `json:"code"`
		}
		s.check(json.Unmarshal(body, &p))
		body = []byte(p.Code)
	}
	fmt.Println(resp.StatusCode, string(body))
}
