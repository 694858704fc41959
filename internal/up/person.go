package up

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
)

// maxPages is how many pages a person looks at before giving up.
const maxPages = 10

// Person sits in front of a browser, without one: follows redirects, keeps
// cookies, fills in name and password, and allows what a client asks for. It
// reads the pages of package authserver and no others. All fields are required;
// one visit at a time.
type Person struct {
	Name     string
	Password holdfast.Secret
	HTTP     *http.Client // that follows no redirects by itself
}

// Visit opens an address and goes on until a page has no form to fill in, which
// is where the browser would be left. An error names no address.
func (p *Person) Visit(ctx context.Context, address string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	browser := *p.HTTP
	browser.Jar = jar
	method, form := http.MethodGet, url.Values(nil)
	for range maxPages {
		r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
		if err != nil {
			return errors.New("a page leads to an address that cannot be read")
		}
		if form != nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		answer, err := browser.Do(r)
		if err != nil {
			return fetch.Cause(err) // without the address, which holds codes
		}
		page, err := fetch.ReadAll(answer.Body, maxBody)
		_ = answer.Body.Close()
		if err != nil {
			return err
		}
		if to, err := answer.Location(); err == nil {
			method, address, form = http.MethodGet, to.String(), nil
			continue
		}
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("the page %s answers status %d", r.URL.Path, answer.StatusCode)
		}
		to, values := p.fillIn(string(page), r.URL)
		if to == nil {
			return nil
		}
		method, address, form = http.MethodPost, to.String(), values
	}
	return fmt.Errorf("there is still a form after %d pages", maxPages)
}

// What a form of the authorization server is made of. Its pages come from
// html/template: attributes are quoted and escaped.
var (
	formOf   = regexp.MustCompile(`(?s)<form\b([^>]*)>(.*?)</form>`)
	fieldsOf = regexp.MustCompile(`<(?:input|button)\b([^>]*)>`)
	memberOf = regexp.MustCompile(`\b([a-z]+)="([^"]*)"`)
)

// fillIn answers the form of a page that asks for something to be typed or for
// consent; a nil address if there is none. Of several the first such counts.
func (p *Person) fillIn(page string, here *url.URL) (*url.URL, url.Values) {
	for _, f := range formOf.FindAllStringSubmatch(page, -1) {
		values, wanted := url.Values{}, false
		for _, field := range fieldsOf.FindAllStringSubmatch(f[2], -1) {
			m := membersOf(field[1])
			switch {
			case m["name"] == "":
			case m["type"] == "password":
				values.Set(m["name"], p.Password.Reveal())
				wanted = true
			case m["autocomplete"] == "username":
				values.Set(m["name"], p.Name)
			case m["type"] == "submit":
				if m["value"] == "allow" {
					values.Set(m["name"], m["value"])
					wanted = true
				}
			default: // hidden fields, and codes that the address brought along
				values.Set(m["name"], m["value"])
				wanted = wanted || m["type"] == "text"
			}
		}
		to, err := here.Parse(membersOf(f[1])["action"])
		if wanted && err == nil {
			return to, values
		}
	}
	return nil, nil
}

func membersOf(tag string) map[string]string {
	out := map[string]string{}
	for _, m := range memberOf.FindAllStringSubmatch(tag, -1) {
		out[m[1]] = html.UnescapeString(m[2])
	}
	return out
}
