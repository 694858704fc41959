package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/fetch"
)

const (
	// maxAdminAnswer is the longest answer of an admin listener that is read.
	maxAdminAnswer = 32 << 20

	adminPatience = 30 * time.Second // for one answer
	longPatience  = 30 * time.Minute // for one that goes through the whole store
)

// adminServer is the admin listener of an authorization server.
type adminServer struct {
	base string
	http *http.Client
}

func newAdminServer(address string) (*adminServer, error) {
	const form = "--admin unix:/path/admin.sock or http://127.0.0.1:port, or HOLDFAST_ADMIN; the server prints it when it starts"
	if address == "" {
		return nil, advise(errors.New("which server is meant was not said"), form)
	}
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		if !filepath.IsAbs(path) {
			return nil, advise(fmt.Errorf("--admin: %q is not an absolute path", path), form)
		}
		t := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		}}
		return &adminServer{"http://localhost", fetch.Client(&http.Client{Transport: t, Timeout: longPatience})}, nil
	}
	u, err := fetch.Secure(address)
	if err != nil || u.Scheme != "http" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, advise(errors.New("--admin: want a socket or an http address of this machine"), form)
	}
	// No proxy: the listener is on this machine.
	return &adminServer{fetch.Origin(u), fetch.Client(&http.Client{Transport: &http.Transport{}, Timeout: longPatience})}, nil
}

// do sends a request and returns the answer; into, unless it is nil, is what is
// read from it.
func (s *adminServer) do(ctx context.Context, method, path string, body, into any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, adminPatience)
	defer cancel()
	return s.wait(ctx, method, path, body, into)
}

// wait is do without a hurry.
func (s *adminServer) wait(ctx context.Context, method, path string, body, into any) ([]byte, error) {
	answer, err := s.open(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	b, err := fetch.ReadAll(answer, maxAdminAnswer)
	if err != nil {
		return nil, fail(exitUndetermined, fmt.Errorf("read the answer of the server: %w", fetch.Cause(err)))
	}
	if into == nil {
		return b, nil
	}
	if err := json.Unmarshal(b, into); err != nil {
		return nil, fail(exitUndetermined, errors.New("the answer is not that of an admin listener"), "check the address in --admin")
	}
	return b, nil
}

// open sends a request and returns the body of an answer that is no refusal.
func (s *adminServer) open(ctx context.Context, method, path string, body any) (io.ReadCloser, error) {
	var send io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		send = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, s.base+path, send)
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := s.http.Do(r)
	if err != nil {
		return nil, fail(exitUndetermined, fetch.Cause(err), "holdfast serve as has to be running; --admin names its admin listener")
	}
	if answer.StatusCode/100 == 2 {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	return nil, refusedBy(answer)
}

// refusedBy is the error that an answer holds.
func refusedBy(answer *http.Response) error {
	status := exitFailure
	if answer.StatusCode >= http.StatusInternalServerError {
		status = exitUndetermined
	}
	var said struct {
		Description string `json:"error_description"`
	}
	b, err := fetch.ReadAll(answer.Body, maxAdminAnswer)
	if err != nil || json.Unmarshal(b, &said) != nil || said.Description == "" {
		return fail(status, fmt.Errorf("the server answered with %s", answer.Status))
	}
	return fail(status, errors.New(said.Description))
}
