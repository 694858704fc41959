package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/fetch"
)

// LoginTimeout is how long LoginLoopback waits for the browser to come back.
const LoginTimeout = 10 * time.Minute

// Limits of the listener for the browser.
const (
	loopbackReadTimeout = 5 * time.Second
	loopbackHeaderBytes = 32 << 10
)

// defaultLoopback is the redirect URL if none is configured (RFC 8252 section 7.3).
const defaultLoopback = "http://127.0.0.1/callback"

// answerPage is all that the browser gets. It is the same for everybody and says
// nothing about the outcome, which is not known yet.
const answerPage = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign-in</title>` +
	`<p>The answer has arrived. You can close this window and go back to the program.</p></html>
`

// LoginLoopback runs the code flow for a program on the user's machine (RFC 8252
// section 7.3): it listens on a loopback address, has open show the URL in a
// browser, and takes the one callback that fits. The port is a free one unless
// RedirectURL has one; the host has to be an IP address, because localhost may be
// another (RFC 8252 section 8.3). The listener is gone when it returns, at the
// latest after [LoginTimeout].
func (c *Client) LoginLoopback(ctx context.Context, open func(url string) error) (*Grant, error) {
	ctx, cancel := context.WithTimeout(ctx, LoginTimeout)
	defer cancel()
	redirect := c.redirect
	if redirect == nil {
		redirect, _ = url.Parse(defaultLoopback)
	}
	ip, err := netip.ParseAddr(redirect.Hostname())
	if err != nil || redirect.Scheme != "http" || !fetch.Loopback(redirect.Hostname()) {
		return nil, &Error{Op: opAsk, Err: errors.New("RedirectURL is not http on 127.0.0.1 or [::1], which a login on this machine needs")}
	}
	port := redirect.Port()
	if port == "" {
		port = "0"
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(ip.String(), port))
	if err != nil {
		return nil, &Error{Op: opAsk, Err: err}
	}
	at := *redirect
	at.Host = listener.Addr().String()
	a, err := c.begin(ctx, at.String())
	if err != nil {
		_ = listener.Close()
		return nil, err
	}
	callback, err := a.waitAt(ctx, listener, &at, open)
	if err != nil {
		return nil, &Error{Op: opAsk, Err: err}
	}
	return a.Finish(ctx, callback)
}

// waitAt serves the redirect URL until the callback with our state came. It
// closes the listener and waits for the server to end.
func (a *Authorization) waitAt(ctx context.Context, listener net.Listener, at *url.URL, open func(string) error) (url.Values, error) {
	came := make(chan url.Values, 1)
	server := &http.Server{
		Handler:           &callbackHandler{a: a, host: at.Host, path: cmp.Or(at.Path, "/"), came: came},
		ReadHeaderTimeout: loopbackReadTimeout, ReadTimeout: loopbackReadTimeout, WriteTimeout: loopbackReadTimeout,
		MaxHeaderBytes: loopbackHeaderBytes,
		ErrorLog:       log.New(io.Discard, "", 0), // it would name addresses of whoever connects, and nothing useful
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	stop := func() {
		// The browser gets its page first; a connection that lingers is cut.
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), loopbackReadTimeout)
		defer cancel()
		if server.Shutdown(stopping) != nil {
			_ = server.Close()
		}
		<-ended
	}
	if err := open(a.url); err != nil {
		stop()
		return nil, fmt.Errorf("open the browser: %w", err)
	}
	select {
	case callback := <-came:
		stop()
		return callback, nil
	case <-ctx.Done():
		stop()
		return nil, fmt.Errorf("wait for the browser: %w", ctx.Err())
	}
}

// callbackHandler takes one callback. What does not fit is refused and does not
// end the wait: any page in the browser can send requests here.
type callbackHandler struct {
	a          *Authorization
	host, path string
	once       sync.Once
	came       chan<- url.Values
}

func (h *callbackHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	w.Header().Set("Referrer-Policy", "no-referrer") // the address of this page has the code
	w.Header().Set("X-Content-Type-Options", "nosniff")
	refuse := func(status int) { http.Error(w, http.StatusText(status), status) }
	query, err := url.ParseQuery(r.URL.RawQuery)
	switch {
	case r.Host != h.host: // another name for this address: DNS rebinding
		refuse(http.StatusMisdirectedRequest)
		return
	case r.URL.Path != h.path:
		refuse(http.StatusNotFound)
		return
	case r.Method != http.MethodGet:
		refuse(http.StatusMethodNotAllowed)
		return
	case err != nil || h.a.matches(query) != nil:
		refuse(http.StatusBadRequest)
		return
	}
	first := false
	h.once.Do(func() { first = true; h.came <- query })
	if !first {
		refuse(http.StatusGone)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, answerPage)
}
