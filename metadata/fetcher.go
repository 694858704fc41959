package metadata

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/holdfast-oauth/holdfast/internal/fetch"
)

// Fetcher retrieves metadata and makes sure that it is about whom was asked
// for. Redirects are not followed, one request takes 15 s at most unless HTTP
// has a timeout of its own, and a document has at most [MaxBytes].
//
// Every failure is an [*Error], except that an identifier which no document can
// be asked for is refused as it is. The zero value is ready to use. A Fetcher
// is safe for concurrent use while its fields are not changed; it keeps no
// documents.
type Fetcher struct {
	// HTTP sends the requests; nil means a client of its own. Names that
	// resolve to addresses inside a network are for its dialer to refuse (RFC
	// 9728 section 7.7): here only addresses written out are.
	HTTP *http.Client

	// AllowParent makes ResourceFromChallenge accept the metadata of a resource
	// that contains the URL of the request: of the same origin, and its path a
	// prefix of whole segments. RFC 9728 section 3.3 demands equality; profiles
	// such as the Model Context Protocol publish one document for many paths.
	// Where several parties share an origin, one of them could then speak for
	// another and send its clients to an authorization server of its choice.
	AllowParent bool
}

// Server returns the metadata of an authorization server. Where the place of
// RFC 8414 has none, those of OpenID Connect are asked (RFC 8414 section 5).
// The issuer in the document has to be identical to the one asked for (section
// 3.3), and every endpoint has to be an https URL (http on loopback).
// signed_metadata is not read.
func (f *Fetcher) Server(ctx context.Context, issuer string) (*Server, error) {
	places, err := serverURLs(issuer)
	if err != nil {
		return nil, err
	}
	var first error // the first failure that tells more than "not there"
	for _, place := range places {
		s, err := f.serverAt(ctx, place, issuer)
		if err == nil {
			return s, nil
		}
		if first == nil || errors.Is(first, NotThere) && !errors.Is(err, NotThere) {
			first = err
		}
		// Another place of the same host would not be reached either, and a
		// document about somebody else is an answer, not an absence.
		if errors.Is(err, Unreachable) || errors.Is(err, Mismatch) {
			break
		}
	}
	return nil, first
}

func (f *Fetcher) serverAt(ctx context.Context, place, issuer string) (*Server, error) {
	text, status, err := f.get(ctx, place)
	if err != nil {
		return nil, err
	}
	s, err := ParseServer(text)
	if err != nil {
		return nil, failure(place, Unusable, status, fetch.Cause(err))
	}
	if s.Issuer != issuer { // RFC 8414 sections 3.3 and 4: code point by code point
		return nil, failure(place, Mismatch, status, fmt.Errorf("its issuer is %.200q, %.200q was asked for", s.Issuer, issuer))
	}
	if err := s.checkURLs(issuer); err != nil {
		return nil, failure(place, Unusable, status, err)
	}
	return s, nil
}

// Resource returns the metadata of a protected resource (RFC 9728 section 3).
// The resource in the document has to be identical to the one asked for
// (section 3.3), and its authorization servers have to be https URLs (http on
// loopback). signed_metadata is not read.
func (f *Fetcher) Resource(ctx context.Context, resource string) (*Resource, error) {
	place, err := ResourceURL(resource)
	if err != nil {
		return nil, err
	}
	return f.resourceAt(ctx, place, resource, func(got string) bool { return got == resource })
}

// ResourceFromChallenge returns the metadata that a resource_metadata parameter
// points to (RFC 9728 section 5), after a request to requestURL. It is used
// only if the resource in it is identical to requestURL (section 3.3), query
// included; see AllowParent for the exception. Nothing is normalised.
//
// The document has to be at the origin of the request: what a server says
// about itself it can say in its own place, and a challenge must not make a
// client call hosts of the challenger's choice (section 7.7).
func (f *Fetcher) ResourceFromChallenge(ctx context.Context, requestURL, metadataURL string) (*Resource, error) {
	requestURL, _, _ = strings.Cut(requestURL, "#") // never sent
	request, err := fetch.Secure(requestURL)
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	place, err := fetch.Secure(metadataURL)
	if err != nil {
		return nil, failure(metadataURL, Unusable, 0, fmt.Errorf("resource_metadata of the challenge: %w", err))
	}
	if got, want := fetch.Origin(place), fetch.Origin(request); got != want {
		return nil, failure(metadataURL, Mismatch, 0, fmt.Errorf("resource_metadata of the challenge is at %.200q, the request went to %.200q", got, want))
	}
	return f.resourceAt(ctx, metadataURL, requestURL, func(got string) bool {
		return got == requestURL || f.AllowParent && contains(got, request)
	})
}

func (f *Fetcher) resourceAt(ctx context.Context, place, asked string, same func(string) bool) (*Resource, error) {
	text, status, err := f.get(ctx, place)
	if err != nil {
		return nil, err
	}
	r, err := ParseResource(text)
	if err != nil {
		return nil, failure(place, Unusable, status, fetch.Cause(err))
	}
	if !same(r.Resource) {
		return nil, failure(place, Mismatch, status, fmt.Errorf("its resource is %.200q, %.200q was asked for", fetch.Shown(r.Resource), fetch.Shown(asked)))
	}
	if err := r.checkURLs(asked); err != nil {
		return nil, failure(place, Unusable, status, err)
	}
	return r, nil
}

// get returns a document of any media type: whether it is JSON its text tells.
func (f *Fetcher) get(ctx context.Context, place string) ([]byte, int, error) {
	text, answer, err := fetch.Get(ctx, fetch.Client(f.HTTP), place, "application/json", MaxBytes)
	switch {
	case answer == nil:
		return nil, 0, failure(place, Unreachable, 0, fetch.Cause(err))
	case answer.StatusCode == http.StatusNotFound || answer.StatusCode == http.StatusGone:
		return nil, 0, failure(place, NotThere, answer.StatusCode, nil)
	case answer.StatusCode != http.StatusOK:
		return nil, 0, failure(place, Unusable, answer.StatusCode, errors.New("200 is needed, and redirects are not followed"))
	case errors.As(err, new(*fetch.TooLargeError)):
		return nil, 0, failure(place, Unusable, answer.StatusCode, err)
	case err != nil:
		return nil, 0, failure(place, Unreachable, answer.StatusCode, fetch.Cause(err))
	}
	return text, answer.StatusCode, nil
}

func failure(place string, p Problem, status int, err error) *Error {
	return &Error{URL: fetch.Shown(place), Problem: p, Status: status, Err: err}
}
