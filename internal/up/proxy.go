package up

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/explain"
)

// proxied is the API behind a proxy that terminates TLS. The API believes that
// clients address it by http, as the proxy does: the usual mistake.
type proxied struct {
	url   string         // as clients address it
	roots *x509.CertPool // that its certificate is signed by

	mu   sync.Mutex
	seen *holdfast.Exchange // the latest request as it reached the API
}

// openProxy starts the proxy and the API behind it.
func (p *place) openProxy(ctx context.Context) (*proxied, error) {
	inner, err := listen(ctx)
	if err != nil {
		return nil, err
	}
	p.stops = append(p.stops, inner.Close)
	outer, err := listen(ctx)
	if err != nil {
		return nil, err
	}
	p.stops = append(p.stops, outer.Close)
	certificate, err := newCertificate()
	if err != nil {
		return nil, err
	}
	q := &proxied{url: "https://" + outer.Addr().String(), roots: x509.NewCertPool()}
	q.roots.AddCert(certificate.Leaf)
	api, err := p.newAPI("http://" + outer.Addr().String())
	if err != nil {
		return nil, err
	}
	p.serve(inner, q.watch(api))
	target := &url.URL{Scheme: "http", Host: inner.Addr().String()}
	p.serve(tls.NewListener(outer, &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12}), &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // the API gets to know the host, and not the scheme
		},
		Transport: &http.Transport{},
		ErrorLog:  slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	})
	return q, nil
}

// watch keeps the latest request as it arrives.
func (q *proxied) watch(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if shown, err := holdfast.Present(r, &url.URL{Scheme: "http", Host: r.Host}); err == nil {
			q.mu.Lock()
			q.seen = &holdfast.Exchange{Origin: "backend", Request: *shown, RequestHeader: r.Header.Clone(), Sent: time.Now()}
			q.mu.Unlock()
		}
		h.ServeHTTP(w, r)
	})
}

// views is the backend's copy of an exchange, as evidence.
func (q *proxied) views(of int) []explain.View {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.seen == nil {
		return nil
	}
	return []explain.View{{Of: of, Request: *q.seen}}
}

// newCertificate makes a certificate for 127.0.0.1 that signs itself.
func newCertificate() (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true, IsCA: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key, Leaf: leaf}, nil
}
