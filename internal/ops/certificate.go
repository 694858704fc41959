package ops

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// certificateCheck is how often the files of a certificate are looked at, at
// most, when clients connect.
const certificateCheck = 10 * time.Second

// certificate is a TLS certificate that follows its files. Safe for concurrent
// use.
type certificate struct {
	certFile, keyFile string
	report            func(error)
	now               func() time.Time

	mu      sync.Mutex
	current *tls.Certificate
	seen    [2]stamp
	looked  time.Time
}

// stamp tells one content of a file from another.
type stamp struct {
	modified time.Time
	size     int64
}

func newCertificate(certFile, keyFile string, report func(error)) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, report: report, now: time.Now}
	if c.report == nil {
		c.report = func(error) {}
	}
	c.looked = c.now()
	return c, c.load()
}

// load reads both files. They change one after the other: what does not fit is
// tried again at the next look.
func (c *certificate) load() error {
	var seen [2]stamp
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return fmt.Errorf("certificate: %w", err)
		}
		seen[i] = stamp{info.ModTime(), info.Size()}
	}
	if c.current != nil && seen == c.seen {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("certificate %s: %w", c.certFile, err)
	}
	c.current, c.seen = &pair, seen
	return nil
}

// get is a tls.Config.GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.looked) >= certificateCheck {
		c.looked = now
		if err := c.load(); err != nil {
			c.report(err)
		}
	}
	return c.current, nil
}
