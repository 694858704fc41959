package interop

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// maxPages is how many pages a person looks at before giving up, and
// maxPageBytes how much of one.
const (
	maxPages     = 10
	maxPageBytes = 64 << 10
)

var (
	formAction  = regexp.MustCompile(`<form[^>]*\saction="([^"]*)"`)
	formInputs  = regexp.MustCompile(`<input\s[^>]*>`)
	inputMember = regexp.MustCompile(`\s(name|value)="([^"]*)"`)
)

// visit does what somebody in front of a browser does: it follows redirects,
// keeps cookies and sends every form as it is, until a page has none.
func visit(ctx context.Context, address string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	browser := &http.Client{Jar: jar}
	var form url.Values // nil: a link
	for range maxPages {
		method := http.MethodGet
		if form != nil {
			method = http.MethodPost
		}
		r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer, err := browser.Do(r)
		if err != nil {
			return errors.Unwrap(err) // without the URL, which holds codes
		}
		page, err := io.ReadAll(io.LimitReader(answer.Body, maxPageBytes))
		answer.Body.Close()
		if err != nil {
			return err
		}
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("a page of %s answers status %d", answer.Request.URL.Host, answer.StatusCode)
		}
		if !strings.Contains(string(page), "<form") {
			return nil
		}
		here := answer.Request.URL
		if form, address, err = fillIn(string(page), here); err != nil {
			return err
		}
	}
	return fmt.Errorf("there is still a form after %d pages", maxPages)
}

// fillIn returns what the form of a page sends, and where.
func fillIn(page string, here *url.URL) (url.Values, string, error) {
	to := here
	if m := formAction.FindStringSubmatch(page); m != nil {
		var err error
		if to, err = here.Parse(html.UnescapeString(m[1])); err != nil {
			return nil, "", err
		}
	}
	form := url.Values{}
	for _, input := range formInputs.FindAllString(page, -1) {
		members := map[string]string{}
		for _, m := range inputMember.FindAllStringSubmatch(input, -1) {
			members[m[1]] = html.UnescapeString(m[2])
		}
		form.Set(members["name"], members["value"])
	}
	return form, to.String(), nil
}
