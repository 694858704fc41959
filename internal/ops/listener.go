package ops

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/holdfast-oauth/holdfast/internal/fetch"
)

// maxSocketPath is the longest path of a socket: systems have room for 104 to 108
// bytes, and it is bound one folder below its place.
const maxSocketPath = 80

// Endpoint is where a server listens: "host:port" or "unix:/absolute/path". With
// a certificate, a PEM file of the chain and one of the key, it speaks TLS; both
// files are read again when they change.
type Endpoint struct {
	Address     string `yaml:"address"`
	Certificate string `yaml:"certificate,omitempty"`
	Key         string `yaml:"key,omitempty"`
}

// Check reports what is wrong with an endpoint, without opening it. A local one
// must be a socket or an address of this machine that nobody else can reach.
func (e Endpoint) Check(local bool) error {
	var errs []error
	if path, ok := e.socket(); ok {
		if !filepath.IsAbs(path) {
			errs = append(errs, fmt.Errorf("address: %q is not an absolute path", path))
		}
		if len(path) > maxSocketPath {
			errs = append(errs, fmt.Errorf("address: the path of the socket has %d bytes, want at most %d", len(path), maxSocketPath))
		}
	} else if host, _, err := net.SplitHostPort(e.Address); err != nil {
		errs = append(errs, errors.New("address: want host:port or unix:/absolute/path"))
	} else if local && !fetch.Loopback(host) {
		errs = append(errs, fmt.Errorf("address: %s can be reached from elsewhere, want a loopback address or unix:/absolute/path", e.Address))
	}
	if (e.Certificate == "") != (e.Key == "") {
		errs = append(errs, errors.New("certificate and key go together"))
	}
	return errors.Join(errs...)
}

// Local reports whether only this machine can reach the endpoint.
func (e Endpoint) Local() bool { return e.Check(true) == nil }

func (e Endpoint) socket() (path string, ok bool) { return strings.CutPrefix(e.Address, "unix:") }

// Listen opens the endpoint. A socket is for its owner only; one that a process
// left behind is replaced, one that is in use is not. settings may be nil; it is
// for what TLS asks of clients. report is told of changed certificate files that
// cannot be used: the old ones stay.
func Listen(ctx context.Context, e Endpoint, settings *tls.Config, report func(error)) (net.Listener, error) {
	if err := e.Check(false); err != nil {
		return nil, err
	}
	var certificate *certificate
	if e.Certificate != "" {
		var err error
		if certificate, err = newCertificate(e.Certificate, e.Key, report); err != nil {
			return nil, err
		}
	}
	l, err := e.open(ctx)
	if err != nil || certificate == nil {
		return l, err
	}
	if settings == nil {
		settings = &tls.Config{}
	}
	settings = settings.Clone()
	settings.MinVersion = tls.VersionTLS12
	settings.NextProtos = []string{"h2", "http/1.1"}
	settings.GetCertificate = certificate.get
	return tls.NewListener(l, settings), nil
}

func (e Endpoint) open(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	path, ok := e.socket()
	if !ok {
		return lc.Listen(ctx, "tcp", e.Address)
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	return listenPrivately(ctx, &lc, path)
}

// removeStale removes a socket that nobody answers at.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("%s is there and is not a socket", path)
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		c.Close()
		return fmt.Errorf("another process is listening at %s", path)
	}
	// Only a refusal says that nobody listens: somebody may just be busy, or of
	// another owner.
	if !errors.Is(err, syscall.ECONNREFUSED) && runtime.GOOS != "windows" {
		return fmt.Errorf("whether another process is listening there cannot be told: %w", err)
	}
	return os.Remove(path)
}

// listenPrivately binds the socket in a folder that nobody else can enter and
// moves it to its place when its mode is set: between bind and chmod it has the
// mode of the umask.
func listenPrivately(ctx context.Context, lc *net.ListenConfig, path string) (net.Listener, error) {
	folder, err := os.MkdirTemp(filepath.Dir(path), ".b")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	inside := filepath.Join(folder, "s")
	l, err := lc.Listen(ctx, "unix", inside)
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // it would unlink the name that it was bound to
	if err := errors.Join(os.Chmod(inside, 0o600), os.Rename(inside, path)); err != nil {
		l.Close()
		return nil, err
	}
	return &socket{l, path}, nil
}

// socket removes its name when it is closed.
type socket struct {
	net.Listener
	path string
}

// Close ends listening and removes the socket.
func (s *socket) Close() error {
	err := s.Listener.Close()
	if !errors.Is(err, net.ErrClosed) {
		os.Remove(s.path)
	}
	return err
}

// Addr returns where the socket is.
func (s *socket) Addr() net.Addr { return &net.UnixAddr{Name: s.path, Net: "unix"} }
