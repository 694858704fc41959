package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-oauth/holdfast/client"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
)

// callFlags are the flags of holdfast call.
type callFlags struct {
	accountFlags
	bodyFlags
	method, output   string
	headers, origins []string
	include, verbose bool
	maxTime          time.Duration
}

func (a *app) callCommand() *cobra.Command {
	var f callFlags
	c := &cobra.Command{
		Use:   "call [flags] URL",
		Short: "Call an API with the token of a login and a proof",
		Long: `Call sends one request with the access token of a login and a fresh proof, and
writes the body of the answer to stdout. Its flags are those of curl. It renews
a token that has expired, answers a demand for a nonce, and follows no
redirects.

The token goes only to the servers that the login named (holdfast token shows
them behind "for") and to those named with --allow-origin; any other URL is
refused, not called without a token.

If the call is refused, the body still goes to stdout, and stderr says why:
cause, how sure, and what to change. --verbose shows the header fields of every
attempt, but for those that can hold a secret.

Exit status: 0 the status was below 400, 1 it was not, 2 wrong usage or not
logged in, 3 the call could not be made, or its outcome is not known.`,
		Example: `  holdfast call https://api.example.com/orders
  holdfast call -X PUT --json '{"state":"sent"}' \
    https://api.example.com/orders/7
  holdfast call -F document=@order.pdf -o receipt.json \
    https://api.example.com/uploads`,
		Args: exactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.call(c, &f, args[0]) },
	}
	fl := c.Flags()
	f.accountFlags.add(fl)
	f.bodyFlags.add(c)
	fl.StringVarP(&f.method, "request", "X", "", "method (default: GET, with a body POST)")
	fl.StringArrayVarP(&f.headers, "header", "H", nil, `header field, such as "Accept: text/csv" (may be repeated)`)
	fl.StringVarP(&f.output, "output", "o", "", "write the body to this new file instead of stdout")
	fl.BoolVarP(&f.include, "include", "i", false, "write status and header fields before the body")
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "show on stderr what was sent and answered, without secrets")
	fl.StringArrayVar(&f.origins, "allow-origin", nil, "server that gets the token in this call too, such as https://api2.example.com (may be repeated)")
	fl.DurationVar(&f.maxTime, "max-time", 0, "how long the call may take, such as 30s (default: no limit)")
	return c
}

func (a *app) call(c *cobra.Command, f *callFlags, address string) error {
	ctx := c.Context()
	if f.maxTime > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.maxTime)
		defer cancel()
	}
	r, err := a.request(ctx, f, address)
	if err != nil {
		return err
	}
	x, g, err := a.loggedIn(ctx, &f.accountFlags)
	if err != nil {
		return err
	}
	origins, err := x.allowed(r.URL, f.origins)
	if err != nil {
		return err
	}
	w, finish, err := a.output(f.output) // before anything is sent: it cannot be taken back
	if err != nil {
		return err
	}
	defer x.finish()
	t := &trace{app: a, verbose: f.verbose, query: r.URL.RawQuery}
	transport := &client.Transport{
		Tokens: x.source(g), Origins: origins, Base: x.base, AllowBearer: x.AllowBearer, Now: a.Now,
		OnExchange: t.add, OnCorrection: t.corrected,
	}
	once := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := once.Do(r)
	if err != nil {
		if finish() == nil && f.output != "" && f.output != "-" {
			_ = os.Remove(f.output) // it is empty, and would be in the way of the next call
		}
		t.explain(ctx, x)
		return serverProblem(err)
	}
	defer answer.Body.Close()
	if err := errors.Join(a.writeAnswer(ctx, w, answer, f, t.hide()), finish()); err != nil {
		return err
	}
	if code := answer.StatusCode; code >= http.StatusBadRequest {
		a.status = exitFailure
		a.note(strings.TrimSpace(fmt.Sprintf("the server answered %d %s", code, http.StatusText(code))))
		t.explain(ctx, x)
	}
	return nil
}

// request makes the request that the flags describe.
func (a *app) request(ctx context.Context, f *callFlags, address string) (*http.Request, error) {
	u, err := fetch.Secure(address)
	if err != nil {
		return nil, err
	}
	b, err := a.body(&f.bodyFlags)
	if err != nil {
		return nil, err
	}
	method := f.method
	if method == "" {
		method = http.MethodGet
		if b != nil {
			method = http.MethodPost
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, errors.New("--request is not a method")
	}
	r.Header.Set("User-Agent", "holdfast")
	if err := b.attach(r); err != nil {
		return nil, err
	}
	for _, h := range f.headers {
		name, value, ok := strings.Cut(h, ":")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, advise(errors.New("--header has no name"), `--header "Accept: text/csv"`)
		}
		switch http.CanonicalHeaderKey(name) {
		case "Authorization", "Dpop":
			return nil, advise(fmt.Errorf("--header %s: call adds token and proof itself", name), "holdfast login gets a token")
		case "Host":
			return nil, errors.New("--header Host: the token is for the server in the URL")
		}
		r.Header.Set(name, strings.TrimSpace(value))
	}
	return r, nil
}

// allowed returns the servers that get the token, if that of the URL is among
// them.
func (x *account) allowed(u *url.URL, more []string) ([]string, error) {
	origins := slices.Clone(x.Origins)
	for _, raw := range more {
		origin, err := readOrigin(raw)
		if err != nil {
			return nil, fmt.Errorf("--allow-origin: %w", err)
		}
		origins = append(origins, origin)
	}
	if origin := fetch.Origin(u); !slices.Contains(origins, origin) {
		return nil, advise(fmt.Errorf("profile %s does not send its token to %s, only to: %s", x.name, origin, orNone(origins)),
			"if that server is meant to get the token: --allow-origin "+origin)
	}
	return origins, nil
}

// writeAnswer writes the answer as the flags say; hide is for its header.
func (a *app) writeAnswer(ctx context.Context, w io.Writer, r *http.Response, f *callFlags, hide *strings.Replacer) error {
	if f.include {
		if _, err := fmt.Fprintf(w, "%s %s\r\n%s\r\n", r.Proto, printable(hide.Replace(r.Status)), headerLines(r.Header, hide, "", "\r\n")); err != nil {
			return err
		}
	}
	var from io.Reader = r.Body
	if a.StderrTerminal && (f.output != "" || !a.StdoutTerminal) {
		p := newProgress(a.Stderr, r.ContentLength, patience, from)
		defer p.stop()
		from = p
	}
	_, err := io.Copy(w, from)
	if err == nil {
		// When the time is over, net/http may take the end of the connection for
		// that of the body.
		err = ctx.Err()
	}
	if err != nil {
		return fail(exitUndetermined, fmt.Errorf("the answer broke off: %w", fetch.Cause(err)))
	}
	return nil
}
