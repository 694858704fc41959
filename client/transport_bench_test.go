package client_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
)

// BenchmarkTransport measures what a Transport adds to a request, without a
// network: as a ratio to one bare ECDSA signature in the same run.
func BenchmarkTransport(b *testing.B) {
	answer := &http.Response{StatusCode: 200, Header: http.Header{"Dpop-Nonce": {"n1"}}, Body: http.NoBody}
	base := roundTripper(func(*http.Request) (*http.Response, error) { return answer, nil })
	tr := &client.Transport{
		Tokens:  tokens{&client.Token{Value: holdfast.NewSecret(tokenValue), Key: newKey(b)}},
		Origins: []string{"https://api.example"}, Base: base,
	}
	r, _ := http.NewRequest("GET", "https://api.example/orders/81?x=1", nil)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	sum := sha256.Sum256([]byte(tokenValue))
	b.ReportAllocs()
	var bare time.Duration
	for b.Loop() {
		b.StopTimer()
		begin := time.Now()
		if _, err := ecdsa.SignASN1(rand.Reader, private, sum[:]); err != nil {
			b.Fatal(err)
		}
		bare += time.Since(begin)
		b.StartTimer()
		if _, err := tr.RoundTrip(r); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(bare), "x-bare-sign")
}
