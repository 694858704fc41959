package holdfastgrpc_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/holdfast-oauth/holdfast"
	holdfastgrpc "github.com/holdfast-oauth/holdfast/extra/grpc"
	"github.com/holdfast-oauth/holdfast/resource"
)

const (
	publicURL = "https://api.example/rpc"
	issuer    = "https://as.example"
	check     = "/grpc.health.v1.Health/Check"
	watch     = "/grpc.health.v1.Health/Watch"
	list      = "/grpc.health.v1.Health/List"
)

// world is a real server on the loopback interface with TLS, and a client.
type world struct {
	key     *holdfast.Key
	client  healthpb.HealthClient
	replays *replays
	token   holdfast.Token                  // what every token says
	cert    holdfast.Thumbprint             // of the client
	served  atomic.Int32                    // calls that reached the handler
	seen    atomic.Pointer[context.Context] // of the last of them
}

// replays counts, and can be broken.
type replays struct {
	*holdfast.Replays
	uses   atomic.Int32
	broken atomic.Bool
}

func (r *replays) Use(ctx context.Context, id holdfast.ReplayID, until time.Time) (bool, error) {
	r.uses.Add(1)
	if r.broken.Load() {
		return false, errors.New("connection refused")
	}
	return r.Replays.Use(ctx, id, until)
}

func (w *world) ReadToken(context.Context, holdfast.Secret) (*holdfast.Token, error) {
	t := w.token
	return &t, nil
}

func newWorld(t *testing.T, change func(*holdfast.Config)) *world {
	t.Helper()
	key, err := holdfast.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	memory, err := holdfast.NewReplays(holdfast.ReplayConfig{Now: func() time.Time { return time.Now().Add(-time.Hour) }, Window: 3 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{key: key, replays: &replays{Replays: memory}}
	w.token = holdfast.Token{
		State: holdfast.TokenAuthentic, Type: "at+jwt", Issuer: issuer, Subject: "somebody", Audience: []string{"https://api.example"},
		Scope: []string{"read"}, Expires: time.Now().Add(time.Hour), Confirmation: holdfast.Confirmation{JKT: key.Thumbprint()},
	}
	config := holdfast.Config{
		Tokens: w, Issuers: []string{issuer}, Audience: []string{"https://api.example"},
		Proof: holdfast.ProofPolicy{Replays: w.replays},
	}
	if change != nil {
		change(&config)
	}
	guard, err := resource.New(resource.Config{PublicURL: publicURL, Verify: config, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	i, err := holdfastgrpc.New(holdfastgrpc.Config{
		Guard: guard, PublicURL: publicURL,
		Need: map[string]holdfast.Requirement{check: {Scope: []string{"read"}}, watch: {}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.serve(t, i)
	return w
}

// serve starts the health service behind the interceptor, and one more that
// notes what gets through.
func (w *world) serve(t *testing.T, i *holdfastgrpc.Interceptor) {
	t.Helper()
	serverCert, clientCert := certificate(t), certificate(t)
	note := func(ctx context.Context) { w.served.Add(1); w.seen.Store(&ctx) }
	server := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{serverCert}, ClientAuth: tls.RequestClientCert})),
		grpc.ChainUnaryInterceptor(i.Unary(), func(ctx context.Context, q any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
			note(ctx)
			return h(ctx, q)
		}),
		grpc.ChainStreamInterceptor(i.Stream(), func(s any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
			note(stream.Context())
			return h(s, stream)
		}),
	)
	healthpb.RegisterHealthServer(server, health.NewServer())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	pool := x509.NewCertPool()
	pool.AddCert(serverCert.Leaf)
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		RootCAs: pool, ServerName: "api.example", Certificates: []tls.Certificate{clientCert},
	})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	w.client = healthpb.NewHealthClient(conn)
	w.cert = sha256.Sum256(clientCert.Leaf.Raw)
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"api.example"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func (w *world) prove(t *testing.T, method, target, nonce string) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.key.Prove(holdfast.ProofClaims{Method: method, URL: u, Token: holdfast.NewSecret("token"), Nonce: nonce})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// call makes a unary call with pairs of metadata.
func (w *world) call(t *testing.T, pairs ...string) (metadata.MD, error) {
	t.Helper()
	var trailer metadata.MD
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), pairs...), time.Minute)
	defer cancel()
	_, err := w.client.Check(ctx, &healthpb.HealthCheckRequest{}, grpc.Trailer(&trailer))
	return trailer, err
}

func TestACallWithAProofIsServedOnce(t *testing.T) { // D-7.1-03, D-11.1-02
	w := newWorld(t, nil)
	proof := w.prove(t, "POST", publicURL+check, "")
	trailer, err := w.call(t, "authorization", "DPoP token", "dpop", proof, "x-other", "kept")
	if err != nil || len(trailer) != 0 {
		t.Fatalf("got %v with trailers %v, want an answer", err, trailer)
	}
	ctx := *w.seen.Load()
	a, ok := holdfastgrpc.AccessFrom(ctx)
	if !ok || a.Token.Subject != "somebody" || a.Holder != w.key.Thumbprint() {
		t.Errorf("the handler sees %+v, want who is calling", a)
	}
	in, _ := metadata.FromIncomingContext(ctx)
	if len(in.Get("authorization"))+len(in.Get("dpop")) > 0 || len(in.Get("x-other")) != 1 {
		t.Error("the handler sees the credentials, or not the rest of the metadata")
	}
	_, err = w.call(t, "authorization", "DPoP token", "dpop", proof)
	if status.Code(err) != codes.Unauthenticated || status.Convert(err).Message() != holdfast.CodeReplayJTIReplayed.Public() {
		t.Errorf("the same proof again: %v, want a replay", err)
	}
	if n := w.served.Load(); n != 1 {
		t.Errorf("%d calls were served, want one", n)
	}
}

func TestCallsThatAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		pairs  func(w *world) []string
		change func(w *world)
		code   codes.Code
		want   holdfast.Code
		uses   int32 // of the replay cache
	}{
		{"nothing", func(*world) []string { return nil }, nil, codes.Unauthenticated, holdfast.CodeRequestAuthMissing, 0},
		{"no proof", func(*world) []string { return []string{"authorization", "DPoP token"} }, nil, codes.Unauthenticated, holdfast.CodeProofSingleMissing, 0},
		{"a bound token as Bearer", func(*world) []string { return []string{"authorization", "Bearer token"} }, nil, codes.Unauthenticated, holdfast.CodeBindingSchemeDowngrade, 0},
		{"two proofs", func(w *world) []string {
			return []string{"authorization", "DPoP token", "dpop", w.prove(t, "POST", publicURL+check, ""), "dpop", w.prove(t, "POST", publicURL+check, "")}
		}, nil, codes.Unauthenticated, holdfast.CodeProofSingleSeveral, 0},
		{"two tokens", func(w *world) []string {
			return []string{"authorization", "DPoP token", "authorization", "DPoP token", "dpop", w.prove(t, "POST", publicURL+check, "")}
		}, nil, codes.InvalidArgument, holdfast.CodeRequestAuthSeveral, 0},
		{"a proof for another method of the service", func(w *world) []string {
			return []string{"authorization", "DPoP token", "dpop", w.prove(t, "POST", publicURL+watch, "")}
		}, nil, codes.Unauthenticated, holdfast.CodeProofHTUMismatch, 0},
		{"a proof for another server", func(w *world) []string {
			return []string{"authorization", "DPoP token", "dpop", w.prove(t, "POST", "https://other.example/rpc"+check, "")}
		}, nil, codes.Unauthenticated, holdfast.CodeProofHTUMismatch, 0},
		{"a proof for GET", func(w *world) []string {
			return []string{"authorization", "DPoP token", "dpop", w.prove(t, "GET", publicURL+check, "")}
		}, nil, codes.Unauthenticated, holdfast.CodeProofHTMMismatch, 0},
		{"a token without the scope", func(w *world) []string {
			return []string{"authorization", "DPoP token", "dpop", w.prove(t, "POST", publicURL+check, "")}
		}, func(w *world) { w.token.Scope = nil }, codes.PermissionDenied, holdfast.CodeAccessScopeInsufficient, 0},
		{"the replay store is down", func(w *world) []string {
			return []string{"authorization", "DPoP token", "dpop", w.prove(t, "POST", publicURL+check, "")}
		}, func(w *world) { w.replays.broken.Store(true) }, codes.Unavailable, holdfast.CodeServerReplay, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			if tt.change != nil {
				tt.change(w)
			}
			trailer, err := w.call(t, tt.pairs(w)...)
			if status.Code(err) != tt.code || status.Convert(err).Message() != tt.want.Public() {
				t.Errorf("got %v, want %v: %s", err, tt.code, tt.want.Public())
			}
			if tt.code == codes.Unavailable {
				if len(trailer.Get("retry-after")) != 1 || len(trailer.Get("www-authenticate")) != 0 {
					t.Errorf("trailers %v, want when to come back, and no challenge", trailer)
				}
			} else if c := trailer.Get("www-authenticate"); len(c) != 1 || !strings.HasPrefix(c[0], "DPoP ") {
				t.Errorf("trailers %v, want one challenge", trailer)
			}
			if w.served.Load() != 0 || w.replays.uses.Load() != tt.uses {
				t.Errorf("served %d, replay cache used %d times, want 0 and %d", w.served.Load(), w.replays.uses.Load(), tt.uses)
			}
		})
	}
}

func TestANonceTravelsInTheTrailers(t *testing.T) { // D-9-01
	nonces, err := holdfast.NewNonces(holdfast.NonceConfig{})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(c *holdfast.Config) { c.Proof.Nonces, c.Proof.Nonce = nonces, holdfast.NonceRequired })
	trailer, err := w.call(t, "authorization", "DPoP token", "dpop", w.prove(t, "POST", publicURL+check, ""))
	nonce := trailer.Get("dpop-nonce")
	if status.Code(err) != codes.Unauthenticated || len(nonce) != 1 || !strings.Contains(strings.Join(trailer.Get("www-authenticate"), ""), "use_dpop_nonce") {
		t.Fatalf("got %v with trailers %v, want a nonce challenge", err, trailer)
	}
	if _, err := w.call(t, "authorization", "DPoP token", "dpop", w.prove(t, "POST", publicURL+check, nonce[0])); err != nil {
		t.Errorf("with the nonce: %v", err)
	}
}

func TestStreamsAreJudgedWhenTheyOpen(t *testing.T) {
	w := newWorld(t, nil)
	open := func(pairs ...string) (*healthpb.HealthCheckResponse, metadata.MD, error) {
		ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), pairs...), time.Minute)
		defer cancel()
		s, err := w.client.Watch(ctx, &healthpb.HealthCheckRequest{})
		if err != nil {
			return nil, nil, err
		}
		m, err := s.Recv()
		if err != nil {
			return nil, s.Trailer(), err
		}
		return m, nil, nil
	}
	if _, trailer, err := open("authorization", "DPoP token"); status.Code(err) != codes.Unauthenticated || len(trailer.Get("www-authenticate")) != 1 {
		t.Errorf("without a proof: %v with trailers %v, want a challenge", err, trailer)
	}
	if w.served.Load() != 0 {
		t.Error("the refused stream reached the handler")
	}
	if m, _, err := open("authorization", "DPoP token", "dpop", w.prove(t, "POST", publicURL+watch, "")); err != nil || m == nil {
		t.Fatalf("with a proof: %v", err)
	}
	if a, ok := holdfastgrpc.AccessFrom(*w.seen.Load()); !ok || a.Holder != w.key.Thumbprint() {
		t.Errorf("the stream's context has %+v, want who is calling", a)
	}
}

func TestACertificateBoundTokenNeedsTheCertificateOfTheConnection(t *testing.T) { // M-3-03, M-3-04, M-3-06
	w := newWorld(t, nil)
	w.token.Confirmation = holdfast.Confirmation{X5T: w.cert}
	if _, err := w.call(t, "authorization", "Bearer token"); err != nil {
		t.Errorf("with the certificate: %v", err)
	}
	w.token.Confirmation.X5T[0] ^= 1
	if _, err := w.call(t, "authorization", "Bearer token"); status.Convert(err).Message() != holdfast.CodeBindingX5TMismatch.Public() {
		t.Errorf("bound to another certificate: %v, want refused", err)
	}
}

func TestAMethodThatIsNotListedIsRefused(t *testing.T) {
	w := newWorld(t, nil)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "DPoP token", "dpop", w.prove(t, "POST", publicURL+list, ""))
	if _, err := w.client.List(ctx, &healthpb.HealthListRequest{}); status.Code(err) != codes.PermissionDenied || w.served.Load() != 0 {
		t.Errorf("got %v, want refused", err)
	}
}

func TestConfigurationMistakesAreAllNamed(t *testing.T) {
	guard, err := resource.New(resource.Config{PublicURL: publicURL, Verify: holdfast.Config{Issuers: []string{issuer}, Audience: []string{"https://api.example"}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = holdfastgrpc.New(holdfastgrpc.Config{})
	for _, want := range []string{"Guard is required", "PublicURL has to be", "Need is required"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	_, err = holdfastgrpc.New(holdfastgrpc.Config{
		Guard: guard, PublicURL: publicURL, Open: []string{check, "List"},
		Need: map[string]holdfast.Requirement{check: {}, "Orders.List": {}, watch: {Scope: []string{`a"b`}}},
	})
	for _, want := range []string{`Need names "Orders.List"`, `Open names "` + check, `Open names "List"`, watch} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	open, err := holdfastgrpc.New(holdfastgrpc.Config{
		Guard: guard, PublicURL: publicURL, Open: []string{list}, Need: map[string]holdfast.Requirement{check: {}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{}
	w.serve(t, open)
	if _, err := w.client.List(t.Context(), &healthpb.HealthListRequest{}); err != nil {
		t.Errorf("an open method without credentials: %v", err)
	}
}
