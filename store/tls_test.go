package store

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/testservers"
)

// serverCertificate returns PEM files of a certificate for localhost and its key.
func serverCertificate(t *testing.T) (certificate, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
		writeFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
}

func TestRedisOverTLSIsVerified(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	_ = l.Close()
	certificate, key := serverCertificate(t)
	testservers.Redis(t, "--tls-port", port, "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-auth-clients", "no")

	r := settled(t, new(clock), "rediss://localhost:"+port+"?timeout=5s&ca_file="+certificate)
	if first, err := r.Use(t.Context(), holdfast.ReplayID{1}, time.Now()); !first || err != nil {
		t.Errorf("Use = %v, %v, want the first", first, err)
	}
	for name, dsn := range map[string]string{
		"a certificate of nobody we trust": "rediss://localhost:" + port,
		"a certificate for another name":   "rediss://127.0.0.1:" + port + "?ca_file=" + certificate,
	} {
		if _, err := OpenReplays(t.Context(), dsn); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: %v, want an error", name, err)
		}
	}
}
