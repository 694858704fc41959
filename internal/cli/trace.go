package cli

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// trace collects the attempts of one call: to show them, and to explain the last
// one. What it holds is as secret as the token.
type trace struct {
	app     *app
	verbose bool
	query   string // of the URL: a server may repeat it

	mu        sync.Mutex
	exchanges []holdfast.Exchange
}

// add takes one attempt.
func (t *trace) add(x *holdfast.Exchange) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := *x
	c.ID = len(t.exchanges) + 1
	t.exchanges = append(t.exchanges, c)
	if !t.verbose {
		return
	}
	safe, hide := c.Redacted(), t.secrets()
	var b strings.Builder
	fmt.Fprintf(&b, "* attempt %d\n> %s %s\n", c.ID, printable(c.Request.Method), printable(safe.Request.URL))
	b.WriteString(headerLines(c.RequestHeader, hide, "> ", "\n"))
	if c.Status == 0 {
		b.WriteString("< no answer\n")
	} else {
		fmt.Fprintf(&b, "< %d %s\n", c.Status, http.StatusText(c.Status))
		b.WriteString(headerLines(c.Header, hide, "< ", "\n"))
	}
	fmt.Fprint(t.app.Stderr, b.String())
}

// corrected tells that the clock of a server is off.
func (t *trace) corrected(origin string, by time.Duration) {
	t.app.note(fmt.Sprintf("the clock of %s differs by %s: proofs for it are made by its clock", origin, by.Round(time.Second)))
}

// hide takes secrets out of what an answer repeats.
func (t *trace) hide() *strings.Replacer {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.secrets()
}

// minSecret is the length from which a text is taken for a secret when an answer
// repeats it.
const minSecret = 8

// secrets replaces the credentials of every attempt so far, and the query. t.mu
// is held.
func (t *trace) secrets() *strings.Replacer {
	var pairs []string
	add := func(secret string) {
		if len(secret) >= minSecret {
			pairs = append(pairs, secret, redactedText)
		}
	}
	for _, x := range t.exchanges {
		for _, s := range x.Request.Authorization {
			_, token, _ := strings.Cut(s.Reveal(), " ")
			add(token)
		}
		for _, s := range x.Request.Proofs {
			add(s.Reveal())
		}
	}
	add(t.query)
	return strings.NewReplacer(pairs...)
}

// redactedText stands for what is not shown.
const redactedText = "[redacted]"

// headerLines writes header fields. Of those that can hold a secret, which are
// all that a redacted exchange leaves out, only the name is written.
func headerLines(h http.Header, hide *strings.Replacer, before, after string) string {
	safe := (&holdfast.Exchange{Header: h}).Redacted().Header
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for i := range h[name] {
			value := redactedText
			if v := safe[name]; i < len(v) {
				value = hide.Replace(v[i])
			}
			b.WriteString(before + printable(name) + ": " + printable(value) + after)
		}
	}
	return b.String()
}
