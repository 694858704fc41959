package ops

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writePair writes a certificate of the name, and its key.
func writePair(t *testing.T, folder, name string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func TestEndpointsAreChecked(t *testing.T) {
	for _, c := range []struct {
		name  string
		e     Endpoint
		local bool
		want  string
	}{
		{"any address", Endpoint{Address: ":443"}, false, ""},
		{"a socket", Endpoint{Address: "unix:/run/x.sock"}, true, ""},
		{"loopback", Endpoint{Address: "127.0.0.1:0"}, true, ""},
		{"loopback of IPv6", Endpoint{Address: "[::1]:0"}, true, ""},
		{"all addresses for a local one", Endpoint{Address: ":0"}, true, "address: :0 can be reached from elsewhere, want a loopback address or unix:/absolute/path"},
		{"another address for a local one", Endpoint{Address: "192.0.2.1:80"}, true, "address: 192.0.2.1:80 can be reached from elsewhere, want a loopback address or unix:/absolute/path"},
		{"a name that looks local", Endpoint{Address: "127.0.0.1.example:80"}, true, "address: 127.0.0.1.example:80 can be reached from elsewhere, want a loopback address or unix:/absolute/path"},
		{"a relative socket", Endpoint{Address: "unix:x.sock"}, true, `address: "x.sock" is not an absolute path`},
		{"a path that no system has room for", Endpoint{Address: "unix:/" + strings.Repeat("x", 80)}, true, "address: the path of the socket has 81 bytes, want at most 80"},
		{"no port", Endpoint{Address: "127.0.0.1"}, false, "address: want host:port or unix:/absolute/path"},
		{"a certificate without a key", Endpoint{Address: ":443", Certificate: "x"}, false, "certificate and key go together"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			if err := c.e.Check(c.local); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// shortFolder is a folder whose name leaves room for that of a socket.
func shortFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "ops")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return folder
}

func TestASocketIsForItsOwnerOnly(t *testing.T) {
	path := filepath.Join(shortFolder(t), "admin.sock")
	l, err := Listen(t.Context(), Endpoint{Address: "unix:" + path}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("mode %04o, want 0600", mode)
	}
	if l.Addr().String() != path {
		t.Errorf("it is at %s", l.Addr())
	}
	if _, err := Listen(t.Context(), Endpoint{Address: "unix:" + path}, nil, nil); err == nil || err.Error() != "another process is listening at "+path {
		t.Errorf("a second listener: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 0 {
		t.Errorf("%d entries are left behind, %v", len(entries), err)
	}
}

func TestAStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(shortFolder(t), "admin.sock")
	stale, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false) // as a process that was killed
	stale.Close()
	l, err := Listen(t.Context(), Endpoint{Address: "unix:" + path}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

// A failure to ask does not say that nobody is there.
func TestASocketInUseIsNotTakenAway(t *testing.T) {
	path := filepath.Join(shortFolder(t), "admin.sock")
	l, err := Listen(t.Context(), Endpoint{Address: "unix:" + path}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, ctx := range []context.Context{t.Context(), gone} {
		if second, err := Listen(ctx, Endpoint{Address: "unix:" + path}, nil, nil); err == nil {
			second.Close()
			t.Error("a second listener took the place of the first")
		}
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("the socket is gone: %v", err)
		}
	}
}

func TestAFileThatIsNoSocketStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(t.Context(), Endpoint{Address: "unix:" + path}, nil, nil); err == nil || !strings.Contains(err.Error(), "is there and is not a socket") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

// served returns the name in the certificate that a listener shows.
func served(t *testing.T, l net.Listener) string {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err == nil {
			_ = c.(*tls.Conn).HandshakeContext(context.Background()) // the other side reports it
			c.Close()
		}
	}()
	c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true}) // to see it
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	<-done
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func TestACertificateFollowsItsFiles(t *testing.T) {
	folder := t.TempDir()
	certFile, keyFile := writePair(t, folder, "old.example")
	now := time.Unix(1_800_000_000, 0)
	var reported []error
	c, err := newCertificate(certFile, keyFile, func(err error) { reported = append(reported, err) })
	if err != nil {
		t.Fatal(err)
	}
	c.now = func() time.Time { return now }
	c.looked = now
	name := func() string {
		pair, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return pair.Leaf.Subject.CommonName
	}
	change := func(name string) {
		writePair(t, folder, name)
		at := now.Add(time.Hour)
		if err := errors.Join(os.Chtimes(certFile, at, at), os.Chtimes(keyFile, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	change("new.example")
	if got := name(); got != "old.example" {
		t.Errorf("at once: %s", got)
	}
	now = now.Add(certificateCheck)
	if got := name(); got != "new.example" {
		t.Errorf("after the next look: %s", got)
	}
	if err := os.WriteFile(certFile, []byte("half of it"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(certificateCheck)
	if got := name(); got != "new.example" || len(reported) != 1 {
		t.Errorf("with a broken file: %s, reported %v", got, reported)
	}
	change("newer.example")
	now = now.Add(certificateCheck)
	if got := name(); got != "newer.example" {
		t.Errorf("after it was mended: %s", got)
	}
}

func TestListenSpeaksTLS(t *testing.T) {
	certFile, keyFile := writePair(t, t.TempDir(), "as.example")
	l, err := Listen(t.Context(), Endpoint{Address: "127.0.0.1:0", Certificate: certFile, Key: keyFile}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := served(t, l); got != "as.example" {
		t.Errorf("the certificate is that of %s", got)
	}
	if _, err := Listen(t.Context(), Endpoint{Address: "127.0.0.1:0", Certificate: certFile, Key: certFile}, nil, nil); err == nil {
		t.Error("a certificate is no key")
	}
}
