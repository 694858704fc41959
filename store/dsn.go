package store

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
)

// Defaults and limits of a data source name.
const (
	DefaultTimeout = 500 * time.Millisecond // of one call to the server
	DefaultPrefix  = "holdfast"
	DefaultMaxIDs  = 1 << 20 // PostgreSQL only: a Valkey server has its own maxmemory

	minTimeout   = 10 * time.Millisecond
	maxTimeout   = 10 * time.Second
	maxDSN       = 2048
	maxPassword  = 4096
	maxCAFile    = 1 << 20
	portValkey   = "6379"
	portPostgres = "5432"
)

// prefixForm is what fits into a key and into a table name without quoting.
var prefixForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,30}$`)

// source is a data source name, taken apart and checked.
type source struct {
	postgres bool
	host     string
	port     string
	user     string
	password holdfast.Secret
	database string
	tls      *tls.Config // nil: plaintext
	prefix   string
	timeout  time.Duration
	maxIDs   int64
	volatile bool // a server that may lose what it has confirmed is accepted
}

// parseDSN checks a data source name and reads the files it names. No error
// quotes the name: it may hold a password.
func parseDSN(dsn string) (*source, error) {
	if scheme, _, _ := strings.Cut(dsn, ":"); scheme == schemeMemory || scheme == schemeBbolt {
		return nil, fmt.Errorf("data source name: %s: serves one process, which needs nothing shared; want redis, rediss, valkey, valkeys, postgres or postgresql", scheme)
	}
	u, err := url.Parse(dsn)
	if err != nil || len(dsn) > maxDSN || u.Host == "" || u.Opaque != "" || u.Fragment != "" {
		return nil, fmt.Errorf("data source name: want scheme://user@host:port/database?options of at most %d bytes", maxDSN)
	}
	s := &source{host: u.Hostname(), port: u.Port(), user: u.User.Username(), prefix: DefaultPrefix, timeout: DefaultTimeout, maxIDs: DefaultMaxIDs}
	var errs []error
	problem := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("data source name: "+format, args...))
	}
	secured := false
	switch u.Scheme {
	case "redis", "valkey":
	case "rediss", "valkeys":
		secured = true
	case "postgres", "postgresql":
		s.postgres, secured = true, !fetch.Loopback(s.host)
	default:
		problem("scheme is %.20q, want memory, bbolt, redis, rediss, valkey, valkeys, postgres or postgresql", u.Scheme)
		secured = true // whatever it was to be
	}
	if s.port == "" {
		if s.port = portValkey; s.postgres {
			s.port = portPostgres
		}
	}
	options, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		problem("the options are not a well-formed query")
	}
	if err := s.readDatabase(strings.TrimPrefix(u.Path, "/")); err != nil {
		problem("%w", err)
	}
	word, hasPassword := u.User.Password()
	s.password = holdfast.NewSecret(word)
	if hasPassword && options.Has("password_file") {
		problem("has a password and a password_file, want one")
	}
	if s.postgres && options.Has("ca_file") {
		secured = true
	}
	if options.Get("plaintext") == "dangerously" {
		secured = false
	} else if !secured && !fetch.Loopback(s.host) {
		problem("%s:// to a host that is not loopback is not encrypted, want %ss:// (or the option plaintext=dangerously)", u.Scheme, u.Scheme)
	}
	if secured {
		s.tls = &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12}
	}
	for name, values := range options {
		if err := s.readOption(name, values); err != nil {
			problem("%w", err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// readDatabase takes the path: a name for PostgreSQL, a number for Valkey.
func (s *source) readDatabase(path string) error {
	if s.postgres {
		if path == "" || strings.Contains(path, "/") {
			return errors.New("no database, want one as the path")
		}
		s.database = path
		return nil
	}
	if s.database = path; path == "" {
		s.database = "0"
	}
	if n, err := strconv.Atoi(s.database); err != nil || n < 0 {
		return errors.New("the path is not a database number")
	}
	return nil
}

func (s *source) readOption(name string, values []string) error {
	if len(values) != 1 {
		return fmt.Errorf("option %.20q is given %d times", name, len(values))
	}
	v := values[0]
	switch name {
	case "prefix":
		if s.prefix = v; !prefixForm.MatchString(v) {
			return errors.New("prefix: want a lower-case letter, then up to 30 of a-z, 0-9 and _")
		}
	case "timeout":
		d, err := time.ParseDuration(v)
		if err != nil || d < minTimeout || d > maxTimeout {
			return fmt.Errorf("timeout: want a duration from %v to %v", minTimeout, maxTimeout)
		}
		s.timeout = d
	case "max":
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 1 || !s.postgres {
			return errors.New("max: want a number above 0, for PostgreSQL only")
		}
		s.maxIDs = n
	case "password_file":
		b, err := readLimited(v, maxPassword)
		if err != nil {
			return fmt.Errorf("password_file: %w", err)
		}
		s.password = holdfast.NewSecret(strings.TrimRight(string(b), "\r\n"))
	case "ca_file":
		b, err := readLimited(v, maxCAFile)
		if err != nil {
			return fmt.Errorf("ca_file: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(b) || s.tls == nil {
			return errors.New("ca_file: want PEM certificates, and a scheme with TLS")
		}
		s.tls.RootCAs = pool
	case "plaintext":
		if v != "dangerously" {
			return errors.New(`plaintext: want "dangerously" or nothing`)
		}
	case "volatile":
		if s.volatile = v == "dangerously"; !s.volatile {
			return errors.New(`volatile: want "dangerously" or nothing`)
		}
	default:
		return fmt.Errorf("option %.20q is not known, want prefix, timeout, max, password_file, ca_file, plaintext or volatile", name)
	}
	return nil
}

func (s *source) address() string { return net.JoinHostPort(s.host, s.port) }

func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return b, nil
}
