package cli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/holdfast-oauth/holdfast/client"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// maxCAFile is the longest file of certificates that is read.
const maxCAFile = 4 << 20

// newBase makes the transport of all requests of a command. A named file of
// certificates is trusted beside those of the system.
func (a *app) newBase(caFile string) (*http.Transport, error) {
	base := http.DefaultTransport.(*http.Transport).Clone() // proxies and timeouts of connections as usual
	if caFile == "" {
		return base, nil
	}
	pem, err := a.readFile(caFile, maxCAFile)
	if err != nil {
		return nil, fmt.Errorf("--ca-file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--ca-file: %s has no certificate in PEM", caFile)
	}
	if base.TLSClientConfig == nil { // so it is with GODEBUG=http2client=0
		base.TLSClientConfig = &tls.Config{}
	}
	base.TLSClientConfig.RootCAs = pool
	return base, nil
}

// serverClient is for requests to authorization servers and for metadata.
func serverClient(base *http.Transport) *http.Client {
	return &http.Client{Transport: base, Timeout: fetch.Timeout}
}

// serverProblem gives an error of a flow or a call its status and advice: refused
// by a server, or not possible to try.
func serverProblem(err error) error {
	var p *problem
	if err == nil {
		return nil
	}
	if errors.As(err, &p) { // without what http.Client wraps around it: the URL, query included
		return p
	}
	status := exitUndetermined
	var hints []string
	var first, e *client.Error
	for next := err; errors.As(next, &e); next = e.Err { // a call may fail because a renewal did
		if first == nil {
			first = e
		}
		if e.Status != 0 || e.Code != "" { // an answer, which one of us refused
			status = exitFailure
		}
		if e.Hint != "" {
			// The library names fields of structs; here they are flags.
			hints = append(hints, strings.NewReplacer("AllowBearer", "--allow-bearer", "RedirectURL", "--redirect-url").Replace(e.Hint))
		}
	}
	if m := (*metadata.Error)(nil); errors.As(err, &m) && m.Problem == metadata.Unreachable {
		hints = append(hints, "check the address and the network; --ca-file names certificates of a private authority")
	}
	if first != nil {
		return fail(status, first, hints...)
	}
	return fail(status, fetch.Cause(err), hints...)
}
