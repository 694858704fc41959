package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/clientauth"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// endpoint names an address of the server as its metadata does.
type endpoint string

const (
	tokenEndpoint         endpoint = "token_endpoint"
	parEndpoint           endpoint = "pushed_authorization_request_endpoint"
	deviceEndpoint        endpoint = "device_authorization_endpoint"
	revocationEndpoint    endpoint = "revocation_endpoint"
	authorizationEndpoint endpoint = "authorization_endpoint" // visited by the user
)

// What was attempted, for [Error.Op].
const (
	opNew      = "new client"
	opToken    = "token request"
	opPush     = "pushed authorization request"
	opAsk      = "authorization"
	opDevice   = "device authorization"
	opExchange = "token exchange"
	opRefresh  = "refresh"
	opRevoke   = "revocation"
	opStored   = "stored grant"
)

// MaxAnswerBytes is the longest answer of an authorization server that is read.
const MaxAnswerBytes = 1 << 20

// minCorrection is the difference of clocks below which a refused proof has
// another reason: servers tolerate as much, and Date has whole seconds.
const minCorrection = 5 * time.Second

// call is one request to an endpoint, which may take several attempts.
type call struct {
	op   string
	to   endpoint
	form url.Values
	key  *holdfast.Key // makes a proof for every attempt; nil: none is sent
}

// reply is an answer of the server, of whatever status.
type reply struct {
	call     call
	body     []byte
	status   int
	exchange *holdfast.Exchange // redacted
	secrets  []string           // what was sent and must not come back in a message
	note     string             // what the caller should know although it worked
}

// post sends a call. It answers one nonce challenge (RFC 9449 section 8) and
// corrects the clock once, so there are at most three attempts, each with its own
// proof and client assertion.
func (c *Client) post(ctx context.Context, r call) (*reply, error) {
	target := c.endpoints[r.to]
	if target == nil {
		return nil, &Error{Op: r.op, Err: fmt.Errorf("the server's metadata has no %s", r.to)}
	}
	origin := fetch.Origin(target)
	var nonced, dated bool
	var note string
	for {
		nonce, offset := c.nonces.get(roleServer, origin), c.clocks.offset(origin)
		a, err := c.attempt(ctx, r, target, nonce, c.now().Add(offset))
		if err != nil {
			return nil, err
		}
		given := c.nonces.learn(roleServer, origin, a.exchange.Header)
		if a.status/100 == 2 {
			a.note = note
			return a, nil
		}
		fail := a.refusal(c.auth)
		switch {
		case fail.Code == codeUseNonce && r.key != nil:
			if hint := nonceFault(given, nonce, nonced); hint != "" {
				fail.Hint = hint
				return nil, fail
			}
			nonced = true
		case fail.Code == codeInvalidProof && r.key != nil,
			fail.Code == codeInvalidClient && c.auth.Method() == clientauth.PrivateKeyJWT:
			if dated || !c.redate(origin, offset, fail) {
				return nil, fail
			}
			dated, note = true, fail.Hint
		default:
			return nil, fail
		}
	}
}

// nonceFault says why a nonce challenge is not answered, "" if it can be.
func nonceFault(given, sent string, again bool) string {
	switch {
	case given == "": // D-8-13
		return "the server demanded a nonce but supplied none that can be used: it has to send one DPoP-Nonce field"
	case given == sent:
		return "the server demanded a nonce and supplied the one that it had just refused"
	case again:
		return "the server demanded another nonce after one retry with the nonce it had supplied"
	}
	return ""
}

// redate takes the server's time if that explains a refusal, and reports whether
// another attempt is worth it. The offset is what the refused attempt was dated by.
func (c *Client) redate(origin string, offset time.Duration, fail *Error) bool {
	date, err := http.ParseTime(fail.Exchange.Header.Get("Date"))
	if err != nil {
		return false
	}
	by := date.Sub(fail.Exchange.Received)
	if d := by - offset; d < minCorrection && d > -minCorrection {
		return false
	}
	fail.Hint = fmt.Sprintf("the clock of this machine differs from the server's by %v, at most %v is corrected: set the clock",
		by.Abs().Round(time.Second), MaxCorrection)
	c.clocks.correct(origin, by)
	return c.clocks.offset(origin) != offset // another call may have corrected it meanwhile
}

// attempt sends a call once. Its error is an [*Error].
func (c *Client) attempt(ctx context.Context, r call, target *url.URL, nonce string, at time.Time) (*reply, error) {
	form := maps.Clone(r.form)
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	if err := c.auth.Apply(form, header, at); err != nil {
		return nil, &Error{Op: r.op, Err: err}
	}
	_, basic, _ := strings.Cut(header.Get("Authorization"), " ")
	secrets := append(secretValues(form), c.secret.Reveal(), basic)
	if r.key != nil {
		proof, err := r.key.Prove(holdfast.ProofClaims{Method: http.MethodPost, URL: target, Nonce: nonce, Time: at})
		if err != nil {
			return nil, &Error{Op: r.op, Err: err}
		}
		header.Set("DPoP", proof)
		secrets = append(secrets, proof)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, &Error{Op: r.op, Err: err}
	}
	req.Header = header
	x := &holdfast.Exchange{
		ID: 1, Origin: "client", Sent: c.now(), RequestHeader: header,
		Request: holdfast.Presentation{Method: req.Method, URL: target.String()},
	}
	body, err := c.roundTrip(req, x)
	x.Received = c.now()
	if err != nil {
		err = fetch.Cause(clean(secrets, err)) // cut last: half a secret would not be recognised
		x.Err = err.Error()
		return nil, &Error{Op: r.op, Status: x.Status, Exchange: x.Redacted(), Err: err}
	}
	a := &reply{call: r, body: body, status: x.Status, exchange: x.Redacted(), secrets: secrets}
	for _, values := range a.exchange.Header {
		for i := range values {
			values[i] = scrub(values[i], secrets)
		}
	}
	return a, nil
}

// roundTrip sends a request and reads the answer into x, its body apart.
func (c *Client) roundTrip(req *http.Request, x *holdfast.Exchange) ([]byte, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		for u := (*url.Error)(nil); errors.As(err, &u); {
			err = u.Err // without the URL, which may have a query
		}
		return nil, err
	}
	defer resp.Body.Close()
	x.Status, x.Header = resp.StatusCode, resp.Header
	body, err := fetch.ReadAll(resp.Body, MaxAnswerBytes)
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return body, nil
}

// object reads the body as a JSON object. Its error is an [*Error].
func (a *reply) object() (strictjson.Object, error) {
	o, err := strictjson.Parse(string(a.body), MaxAnswerBytes)
	if err != nil {
		return o, a.fault(fmt.Errorf("the answer is not a JSON object: %w", err))
	}
	return o, nil
}

// fault is an [*Error] about an answer that was not refused and cannot be used.
func (a *reply) fault(err error) *Error {
	return &Error{Op: a.call.op, Status: a.status, Exchange: a.exchange, Err: err}
}
