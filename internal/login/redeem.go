package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// MaxAnswerBytes is the longest answer of a token endpoint that is read.
const MaxAnswerBytes = 256 << 10

// errorForm is an OAuth error that can be repeated to an operator. Nothing that
// was sent looks like one.
var errorForm = regexp.MustCompile(`^[a-z_]{1,40}$`)

// redeem exchanges a code for the ID token (OpenID Connect Core section 3.1.3).
func (p *Provider) redeem(ctx context.Context, server *metadata.Server, a *attempt, code holdfast.Secret) (holdfast.Secret, error) {
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {code.Reveal()},
		"redirect_uri": {a.Redirect}, "code_verifier": {a.Verifier},
	}
	status, answer, err := p.post(ctx, server.TokenEndpoint, form)
	if err != nil {
		return holdfast.Secret{}, p.failed(fmt.Errorf("token request: %w", err))
	}
	member := func(name string) string {
		v, _ := answer.Get(name)
		s, _ := v.Text()
		return s
	}
	fault := member("error")
	switch {
	case status == http.StatusOK && member("id_token") != "":
		return holdfast.NewSecret(member("id_token")), nil
	case status == http.StatusOK:
		return holdfast.Secret{}, p.failed(errors.New("token request: the answer has no id_token"))
	case fault == "invalid_grant": // late, used before, or not for us
		return holdfast.Secret{}, p.denied("the login is not accepted any more (invalid_grant): start again")
	case errorForm.MatchString(fault):
		return holdfast.Secret{}, p.failed(fmt.Errorf("token request: status %d, error %s, as %v", status, fault, p.client))
	}
	return holdfast.Secret{}, p.failed(fmt.Errorf("token request: status %d without an OAuth error", status))
}

// post sends a form as our client. The answer is empty unless it is JSON.
func (p *Provider) post(ctx context.Context, address string, form url.Values) (int, strictjson.Object, error) {
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	if err := p.client.Apply(form, header, p.now()); err != nil {
		return 0, strictjson.Object{}, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, strictjson.Object{}, fetch.Cause(err)
	}
	r.Header = header
	answer, err := p.http.Do(r)
	if err != nil {
		return 0, strictjson.Object{}, fetch.Cause(err)
	}
	defer answer.Body.Close()
	body, err := fetch.ReadAll(answer.Body, MaxAnswerBytes)
	if err != nil {
		return 0, strictjson.Object{}, fmt.Errorf("read the answer: %w", fetch.Cause(err))
	}
	o, err := strictjson.Parse(string(body), MaxAnswerBytes)
	if err != nil && answer.StatusCode == http.StatusOK {
		return 0, strictjson.Object{}, fmt.Errorf("the answer is not a JSON object: %w", err)
	}
	return answer.StatusCode, o, nil
}
