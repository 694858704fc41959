package store

import (
	"net/url"
	"strings"
	"testing"
)

// No data source name, however broken, gets its password into the error.
func FuzzDSN(f *testing.F) {
	const password = "0c7bb1f5-pw"
	for _, s := range []string{
		"redis://u:" + password + "@127.0.0.1:6379/0?prefix=a&timeout=1s", "postgres://u:" + password + "@db.example/x?max=5",
		"rediss://:" + password + "@[::1]:1/", "valkey://" + password + "@h", "postgres://u:" + password + "@h:99999/%zz", "redis://u:" + password + "@/",
	} {
		f.Add(s)
	}
	for _, s := range []string{
		"memory:", "memory:" + password, "bbolt:///var/lib/holdfast/as.db?timeout=1s", "bbolt://u:" + password + "@h/as.db", "bbolt:///%zz" + password,
		"rediss://u:" + password + "@h.example?volatile=dangerously", "bbolt:" + password, "bbolt:///a?timeout=" + password,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, dsn string) {
		if u, err := url.Parse(dsn); err == nil && u.Query().Has("password_file") || strings.Contains(dsn, "file") || strings.Contains(dsn, "%66") {
			return // names a file of this machine
		}
		path, timeout, err := parseBbolt(dsn)
		if err != nil && strings.Contains(err.Error(), password) {
			t.Fatalf("the error shows the password: %v", err)
		}
		if err == nil && (path == "" || timeout < minTimeout || timeout > maxTimeout) {
			t.Fatalf("%q, %v", path, timeout)
		}
		s, err := parseDSN(dsn)
		if err != nil && strings.Contains(err.Error(), password) {
			t.Fatalf("the error shows the password: %v", err)
		}
		if err == nil && (s.host == "" || s.timeout < minTimeout || s.timeout > maxTimeout || !prefixForm.MatchString(s.prefix)) {
			t.Fatalf("%+v", s)
		}
	})
}
