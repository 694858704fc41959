package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// The schemes of the stores that need no server.
const (
	schemeMemory = "memory"
	schemeBbolt  = "bbolt"

	dsnMemory = schemeMemory + ":"
)

var errNotMemory = errors.New(`data source name: want "memory:" and nothing behind it`)

// Open returns the [Store] that dsn names (see the package comment). It makes
// what is missing, such as a file or a table, and fails if the store cannot be
// reached, or could lose what it has confirmed. Close it after use.
func Open(ctx context.Context, dsn string) (Store, error) {
	s, err := open(ctx, dsn, time.Now)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return s, nil
}

// CheckDSN reports what is wrong with a data source name, as far as that can be
// told without the store: for [Open], or if it is shared, for [OpenReplays] and
// [OpenNonceKeys]. It reads the files that the name refers to. The error holds no
// password.
func CheckDSN(dsn string, shared bool) (err error) {
	scheme, _, _ := strings.Cut(dsn, ":")
	switch {
	case shared || scheme != schemeMemory && scheme != schemeBbolt:
		_, err = parseDSN(dsn)
	case scheme == schemeBbolt:
		_, _, err = parseBbolt(dsn)
	case dsn != dsnMemory:
		err = errNotMemory
	}
	return err
}

func open(ctx context.Context, dsn string, now func() time.Time) (Store, error) {
	switch scheme, _, _ := strings.Cut(dsn, ":"); scheme {
	case schemeMemory:
		if dsn != dsnMemory {
			return nil, errNotMemory
		}
		return NewMemory(now), nil
	case schemeBbolt:
		path, timeout, err := parseBbolt(dsn)
		if err != nil {
			return nil, err
		}
		return openBbolt(ctx, path, timeout, now)
	}
	s, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	if s.postgres {
		return openPostgresRecords(ctx, s, now)
	}
	return openValkeyRecords(ctx, s, now)
}

// parseBbolt takes the data source name of an embedded store apart.
func parseBbolt(dsn string) (path string, timeout time.Duration, err error) {
	u, err := url.Parse(dsn)
	if err != nil || len(dsn) > maxDSN || u.Host != "" || u.User != nil || u.Fragment != "" || !strings.HasPrefix(u.Path, "/") {
		return "", 0, fmt.Errorf("data source name: want bbolt:///absolute/path of at most %d bytes", maxDSN)
	}
	path = filepath.FromSlash(u.Path)
	if runtime.GOOS == "windows" {
		path = strings.TrimPrefix(path, `\`) // of bbolt:///C:/folder/file
	}
	options, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "", 0, errors.New("data source name: the options are not a well-formed query")
	}
	s := &source{timeout: DefaultTimeout}
	for name, values := range options {
		if name != "timeout" {
			return "", 0, fmt.Errorf("data source name: option %.20q is not known, want timeout", name)
		}
		if err := s.readOption(name, values); err != nil {
			return "", 0, fmt.Errorf("data source name: %w", err)
		}
	}
	return path, s.timeout, nil
}
