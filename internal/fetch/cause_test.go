package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCause(t *testing.T) {
	withAddress := &url.Error{Op: "Get", URL: "https://as.example/?code=s3cret", Err: context.DeadlineExceeded}
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"the address is left out", withAddress, "context deadline exceeded"},
		{"also of a wrapped error", fmt.Errorf("ask: %w", withAddress), "context deadline exceeded"},
		{"also of one inside another", &url.Error{Op: "Get", URL: "x", Err: withAddress}, "context deadline exceeded"},
		{"another error stays as it is", errors.New("no route"), "no route"},
		{"text of a peer is cut between runes", errors.New(strings.Repeat("é", maxCauseBytes)), strings.Repeat("é", maxCauseBytes/2) + " ..."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Cause(tt.err)
			if got.Error() != tt.want || !utf8.ValidString(got.Error()) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if Cause(nil) != nil {
		t.Error("no error has a cause")
	}
	long := fmt.Errorf("%s: %w", strings.Repeat("x", maxCauseBytes), context.Canceled)
	if !errors.Is(Cause(withAddress), context.DeadlineExceeded) || !errors.Is(Cause(long), context.Canceled) {
		t.Error("what was wrapped is lost")
	}
}

func TestShown(t *testing.T) {
	for _, tt := range []struct{ name, address, want string }{
		{"a path is shown", "https://as.example:8443/a%2Fb/", "https://as.example:8443/a%2Fb/"},
		{"a query is not", "https://as.example/a?code=s3cret", "https://as.example/a?..."},
		{"nor is user information", "https://user:s3cret@as.example/#s3cret", "https://as.example/"},
		{"nor is what has no host", "s3cret", "not an absolute URL"},
		{"nor is what does not parse", "https://as.example/%zz?s3cret", "not an absolute URL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Shown(tt.address); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
