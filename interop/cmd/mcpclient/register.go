package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/holdfast-oauth/holdfast/internal/fetch"
)

// redirectURL is the callback that is registered; its port is free (RFC 8252
// section 7.3).
const redirectURL = "http://127.0.0.1/callback"

// maxAnswerBytes is how much of any answer is read.
const maxAnswerBytes = 256 << 10

// register registers a native public client (RFC 7591) and returns its id.
func register(ctx context.Context, endpoint string) (string, error) {
	if _, err := fetch.Secure(endpoint); err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]any{
		"client_name":                "holdfast conformance client",
		"application_type":           "native",
		"redirect_uris":              []string{redirectURL},
		"grant_types":                []string{"authorization_code"},
		"response_types":             []string{"code"},
		"token_endpoint_auth_method": "none",
		"dpop_bound_access_tokens":   true,
	})
	if err != nil {
		return "", err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(text))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := fetch.Client(nil).Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := fetch.ReadAll(answer.Body, maxAnswerBytes)
	if err != nil {
		return "", err
	}
	if answer.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("status %d, 201 is needed", answer.StatusCode)
	}
	var registered struct {
		ID string `json:"client_id"`
	}
	if err := json.Unmarshal(body, &registered); err != nil || registered.ID == "" {
		return "", errors.New("the answer has no client_id")
	}
	return registered.ID, nil
}

// open visits the authorization endpoint, which agrees to everything and
// redirects to the callback.
func open(ctx context.Context, address string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return errors.Unwrap(err) // without the URL, which holds the code
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d at the end of the redirects", answer.StatusCode)
	}
	return nil
}

func originOf(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	return fetch.Origin(u), nil
}
