package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
)

// protocolVersion is the revision of MCP that is spoken, over streamable HTTP.
const protocolVersion = "2025-11-25"

// session is a conversation with an MCP server.
type session struct {
	url  string
	http *http.Client
	last int // id of the last request
}

// message is a request, a notification or a response of JSON-RPC 2.0.
type message struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      *int            `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  any             `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   json.RawMessage `json:"error,omitempty"`
}

var initialize = map[string]any{
	"protocolVersion": protocolVersion,
	"capabilities":    map[string]any{},
	"clientInfo":      map[string]string{"name": "holdfast", "version": "0"},
}

// challenged makes a request without a token and returns the challenge of the
// answer that says where the metadata is (RFC 9728 section 5.1).
func (s *session) challenged(ctx context.Context) (holdfast.Challenge, error) {
	answer, _, err := s.post(ctx, "initialize", initialize)
	if err != nil {
		return holdfast.Challenge{}, err
	}
	for _, c := range holdfast.ParseChallenges(answer.Header.Values("WWW-Authenticate")) {
		if answer.StatusCode == http.StatusUnauthorized && c.Is("DPoP") && c.ResourceMetadata != "" {
			return c, nil
		}
	}
	return holdfast.Challenge{}, fmt.Errorf("status %d to a request without a token, 401 with a DPoP challenge and resource_metadata is needed", answer.StatusCode)
}

// use lists the tools of the server and calls the first one.
func (s *session) use(ctx context.Context) error {
	if _, err := s.request(ctx, "initialize", initialize); err != nil {
		return err
	}
	if err := s.notify(ctx, "notifications/initialized"); err != nil {
		return err
	}
	result, err := s.request(ctx, "tools/list", map[string]any{})
	if err != nil {
		return err
	}
	var list struct {
		Tools []struct {
			Name string `json:"name"`
		} `json:"tools"`
	}
	if err := json.Unmarshal(result, &list); err != nil {
		return fmt.Errorf("tools/list: %w", err)
	}
	if len(list.Tools) == 0 {
		return errors.New("tools/list: the server has no tool")
	}
	_, err = s.request(ctx, "tools/call", map[string]any{"name": list.Tools[0].Name, "arguments": map[string]any{}})
	return err
}

// request sends a request and returns its result.
func (s *session) request(ctx context.Context, method string, params any) (json.RawMessage, error) {
	answer, body, err := s.post(ctx, method, params)
	if err != nil {
		return nil, err
	}
	if f := client.Failure(answer); f != nil {
		return nil, fmt.Errorf("%s: %w", method, f)
	}
	var m message
	if err := json.Unmarshal(firstEvent(answer.Header.Get("Content-Type"), body), &m); err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	if m.Error != nil || m.Result == nil || m.ID == nil || *m.ID != s.last {
		return nil, fmt.Errorf("%s: the answer is no result of request %d", method, s.last)
	}
	return m.Result, nil
}

// notify sends a notification, which has no answer but its status.
func (s *session) notify(ctx context.Context, method string) error {
	answer, _, err := s.send(ctx, message{JSONRPC: "2.0", Method: method})
	if err != nil {
		return err
	}
	if f := client.Failure(answer); f != nil {
		return fmt.Errorf("%s: %w", method, f)
	}
	return nil
}

func (s *session) post(ctx context.Context, method string, params any) (*http.Response, []byte, error) {
	s.last++
	return s.send(ctx, message{JSONRPC: "2.0", ID: &s.last, Method: method, Params: params})
}

// send sends a message and reads the answer to its end: the servers that this
// client is for close the stream after one event.
func (s *session) send(ctx context.Context, m message) (*http.Response, []byte, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return nil, nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(text))
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("MCP-Protocol-Version", protocolVersion)
	answer, err := s.http.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	body, err := fetch.ReadAll(answer.Body, maxAnswerBytes)
	return answer, body, err
}

// firstEvent returns the data of the first event of a stream, or a body that is
// no stream as it is.
func firstEvent(contentType string, body []byte) []byte {
	if contentType != "text/event-stream" {
		return body
	}
	for line := range bytes.Lines(body) {
		if data, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			return bytes.TrimSpace(data)
		}
	}
	return nil
}
