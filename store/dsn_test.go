package store

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func writeFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDataSourceNamesThatAreRefused(t *testing.T) {
	const password = "hunter2hunter2"
	for _, c := range []struct{ name, dsn, want string }{
		{"empty", "", "want scheme://"},
		{"not a URL", "rediss://u:" + password + "@h:port", "want scheme://"},
		{"broken escape in the password", "rediss://u:" + password + "%zz@h.example", "want scheme://"},
		{"too long", "rediss://:" + password + "@h.example/?prefix=" + strings.Repeat("a", maxDSN), "at most 2048 bytes"},
		{"fragment", "rediss://:" + password + "@h.example/#x", "want scheme://"},
		{"another scheme", "mysql://u:" + password + "@h.example/db", `scheme is "mysql"`},
		{"not encrypted", "redis://u:" + password + "@h.example", "not encrypted"},
		{"valkey not encrypted", "valkey://u:" + password + "@10.0.0.1", "valkeys://"},
		{"no database", "postgres://u:" + password + "@h.example/", "no database"},
		{"database is no number", "rediss://:" + password + "@h.example/orders", "not a database number"},
		{"unknown option", "rediss://:" + password + "@h.example?sslmode=disable", `option "sslmode" is not known`},
		{"option twice", "rediss://:" + password + "@h.example?prefix=a&prefix=b", `"prefix" is given 2 times`},
		{"misspelled danger", "redis://:" + password + "@h.example?plaintext=yes", `want "dangerously"`},
		{"prefix that would need quoting", "rediss://:" + password + "@h.example?prefix=a%3Bdrop", "prefix: want"},
		{"no unit", "rediss://:" + password + "@h.example?timeout=5", "timeout: want"},
		{"timeout without end", "rediss://:" + password + "@h.example?timeout=1h", "timeout: want"},
		{"max for Redis", "rediss://:" + password + "@h.example?max=5", "PostgreSQL only"},
		{"max of nothing", "postgres://u:" + password + "@h.example/db?max=0", "a number above 0"},
		{"two passwords", "rediss://:" + password + "@h.example?password_file=" + writeFile(t, "x"), "want one"},
		{"password file that is not there", "rediss://u@h.example?password_file=/nowhere/at/all", "password_file: open"},
		{"password file without end", "rediss://u@h.example?password_file=" + writeFile(t, strings.Repeat(password, 400)), "larger than 4096 bytes"},
		{"CA file without certificates", "rediss://:" + password + "@h.example?ca_file=" + writeFile(t, password), "want PEM certificates"},
		{"CA file without TLS", "redis://:" + password + "@127.0.0.1?ca_file=" + writeFile(t, password), "scheme with TLS"},
		{"a store of one process", "bbolt:///var/lib/holdfast/as.db", "bbolt: serves one process"},
		{"a store in memory", "memory:", "memory: serves one process"},
		{"misspelled volatile", "rediss://:" + password + "@h.example?volatile=yes", `volatile: want "dangerously"`},
		{"semicolons", "rediss://:" + password + "@h.example?prefix=a;timeout=1s", "well-formed query"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := OpenReplays(t.Context(), c.dsn)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
			if strings.Contains(err.Error(), password) {
				t.Error("the password is in the error")
			}
			if checked := CheckDSN(c.dsn, true); checked == nil || "replays: "+checked.Error() != err.Error() {
				t.Errorf("CheckDSN says %v, OpenReplays %v", checked, err)
			}
		})
	}
}

func TestEveryMistakeOfADataSourceNameIsNamed(t *testing.T) {
	_, err := parseDSN("redis://h.example/orders?prefix=A&timeout=1&colour=red")
	for _, want := range []string{"not encrypted", "database number", "prefix", "timeout", `"colour"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
}

func TestDataSourceNamesOfRecordsThatAreRefused(t *testing.T) {
	const password = "hunter2hunter2"
	for _, c := range []struct{ name, dsn, want string }{
		{"empty", "", "want scheme://"},
		{"memory with something behind it", "memory://h", `want "memory:"`},
		{"a file without a path", "bbolt://", "want bbolt:///absolute/path"},
		{"a file at a host with a password", "bbolt://u:" + password + "@h.example/as.db", "want bbolt:///absolute/path"},
		{"a file with semicolons", "bbolt:///as.db?timeout=1s;x=" + password, "well-formed query"},
		{"a file with a timeout without end", "bbolt:///as.db?timeout=1h", "timeout: want"},
		{"a path that is too long", "bbolt:///" + strings.Repeat("a", maxDSN), "at most 2048 bytes"},
		{"another scheme", "mysql://u:" + password + "@h.example/db", "want memory, bbolt, redis"},
		{"a server whose certificate is not asked for", "redis://u:" + password + "@h.example", "not encrypted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Open(t.Context(), c.dsn)
			if err == nil || s != nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, %v, want an error with %q", s, err, c.want)
			}
			if strings.Contains(err.Error(), password) {
				t.Error("the password is in the error")
			}
			if checked := CheckDSN(c.dsn, false); checked == nil || "store: "+checked.Error() != err.Error() {
				t.Errorf("CheckDSN says %v, Open %v", checked, err)
			}
		})
	}
}

func TestDataSourceNamesOfStoresWithoutAServer(t *testing.T) {
	path := t.TempDir() + "/a b.db"
	for _, dsn := range []string{"memory:", "bbolt://" + strings.ReplaceAll(path, " ", "%20") + "?timeout=2s"} {
		if err := CheckDSN(dsn, false); err != nil {
			t.Error(err)
		}
		s, err := Open(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Create(t.Context(), Record{Kind: "test"}); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestDataSourceNamesThatAreTaken(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	ca := writeFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	for _, c := range []struct {
		name, dsn, address, user, password, database, prefix string
		tls                                                  bool
		timeout                                              time.Duration
		max                                                  int64
	}{
		{"loopback", "redis://127.0.0.1", "127.0.0.1:6379", "", "", "0", "holdfast", false, DefaultTimeout, DefaultMaxIDs},
		{"IPv6 loopback", "valkey://[::1]:7000/3", "[::1]:7000", "", "", "3", "holdfast", false, DefaultTimeout, DefaultMaxIDs},
		{"TLS", "rediss://u:p%40ss@h.example/1?prefix=a_1&timeout=2s", "h.example:6379", "u", "p@ss", "1", "a_1", true, 2 * time.Second, DefaultMaxIDs},
		{"password from a file", "valkeys://u@h.example?password_file=" + writeFile(t, "pass word\r\n"), "h.example:6379", "u", "pass word", "0", "holdfast", true, DefaultTimeout, DefaultMaxIDs},
		{"danger that is named", "redis://h.example?plaintext=dangerously", "h.example:6379", "", "", "0", "holdfast", false, DefaultTimeout, DefaultMaxIDs},
		{"a server that may forget", "redis://127.0.0.1?volatile=dangerously", "127.0.0.1:6379", "", "", "0", "holdfast", false, DefaultTimeout, DefaultMaxIDs},
		{"PostgreSQL far away", "postgres://u@h.example/auth?max=7", "h.example:5432", "u", "", "auth", "holdfast", true, DefaultTimeout, 7},
		{"PostgreSQL on loopback", "postgresql://u@localhost:6000/auth", "localhost:6000", "u", "", "auth", "holdfast", false, DefaultTimeout, DefaultMaxIDs},
		{"PostgreSQL on loopback with a CA", "postgres://u@localhost/auth?ca_file=" + ca, "localhost:5432", "u", "", "auth", "holdfast", true, DefaultTimeout, DefaultMaxIDs},
		{"PostgreSQL in the clear", "postgres://u@h.example/auth?plaintext=dangerously", "h.example:5432", "u", "", "auth", "holdfast", false, DefaultTimeout, DefaultMaxIDs},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := parseDSN(c.dsn)
			if err != nil {
				t.Fatal(err)
			}
			if s.address() != c.address || s.user != c.user || s.password.Reveal() != c.password || s.database != c.database ||
				s.prefix != c.prefix || (s.tls != nil) != c.tls || s.timeout != c.timeout || s.maxIDs != c.max {
				t.Errorf("got %+v, want %+v", s, c)
			}
			if s.volatile != strings.Contains(c.dsn, "volatile") {
				t.Errorf("volatile is %v", s.volatile)
			}
			if s.tls != nil && (s.tls.InsecureSkipVerify || s.tls.ServerName != s.host) {
				t.Error("the certificate would not be verified for the host")
			}
		})
	}
}
