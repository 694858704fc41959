package authserver

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/clientauth"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// Limits of registration.
const (
	// RegistrationsPerMinute is how many clients may register in one minute
	// where anybody may: at each replica.
	RegistrationsPerMinute = 60

	// UnusedClientLifetime is how long a client is remembered that registered
	// where anybody may, until somebody allows it something: strangers do not
	// fill the store.
	UnusedClientLifetime = 24 * time.Hour

	// MaxClientRecordBytes is the largest client that is kept.
	MaxClientRecordBytes = 48 << 10
)

// checkRegistration reports initial access tokens that protect nothing, and
// those that are not used.
func checkRegistration(c *Config) error {
	var errs []error
	if (c.Registration == RegistrationByToken) != (len(c.RegistrationTokens) > 0) {
		errs = append(errs, errors.New("registration: tokens are needed for registration by token, and for nothing else"))
	}
	for i, t := range c.RegistrationTokens {
		if t.Len() < MinSecretBytes {
			errs = append(errs, fmt.Errorf("registration token %d has %d bytes, want at least %d", i+1, t.Len(), MinSecretBytes))
		}
	}
	return errors.Join(errs...)
}

// registration is the answer to a client: everything that is registered about
// it, defaults and replaced values included (RFC 7591 section 3.2.1).
type registration struct {
	metadata.Client
	IssuedAt      int64  `json:"client_id_issued_at"`
	Secret        string `json:"client_secret,omitempty"`
	SecretExpires *int64 `json:"client_secret_expires_at,omitempty"` // 0: never; needed beside a secret
}

// register is the client registration endpoint (RFC 7591). There is no
// management of registrations (RFC 7592).
func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	if s.config.Registration == RegistrationClosed {
		http.NotFound(w, r)
		return
	}
	e := s.event(r, "register")
	answer, err := s.registerClient(w, r)
	if err == nil {
		e.Client = answer.ClientID
	}
	s.audit(r.Context(), e, err)
	if err != nil {
		refusalOf(err).write(w, s.now())
		return
	}
	writeJSON(w, http.StatusCreated, answer)
}

func (s *Server) registerClient(w http.ResponseWriter, r *http.Request) (*registration, error) {
	if err := s.mayRegister(r); err != nil {
		return nil, err
	}
	text, err := readJSON(w, r)
	if err != nil {
		return nil, err
	}
	m, err := metadata.ParseClient(text)
	if err == nil {
		err = s.checkStranger(m)
	}
	if err != nil {
		return nil, badMetadata(err)
	}
	var unused time.Duration
	if s.config.Registration == RegistrationOpen {
		unused = UnusedClientLifetime
	}
	return s.clients.register(r.Context(), m, unused)
}

// checkStranger refuses grants by which a client that nobody vouched for would
// get tokens without any person.
func (s *Server) checkStranger(m *metadata.Client) error {
	if s.config.Registration != RegistrationOpen {
		return nil
	}
	for _, g := range m.GrantTypes {
		if g == grantClient || g == grantExchange {
			return fmt.Errorf("grant_types: %s needs a client that the operator knows, not one that registered by itself", g)
		}
	}
	return nil
}

// mayRegister judges the initial access token (RFC 7591 section 3), or the rate
// where none is needed.
func (s *Server) mayRegister(r *http.Request) error {
	if s.config.Registration == RegistrationOpen {
		if wait := s.clients.rate.take(s.now()); wait > 0 {
			f := refuse(errUnavailable, "too many clients register at the moment")
			f.status = http.StatusTooManyRequests
			f.header = http.Header{"Retry-After": {fmt.Sprint(int((wait + time.Second - 1) / time.Second))}}
			return f
		}
		return nil
	}
	fields := r.Header.Values("Authorization")
	if len(fields) > 1 {
		return refuse(errInvalidRequest, "there is more than one Authorization field")
	}
	unauthorized := func(code, text string) error {
		f := refuse(errInvalidToken, text)
		f.status = http.StatusUnauthorized
		f.header = http.Header{"WWW-Authenticate": {holdfast.Challenge{Scheme: "Bearer", Realm: s.config.Issuer, Error: code}.String()}}
		return f
	}
	if len(fields) == 0 { // RFC 6750 section 3.1: no error code
		return unauthorized("", "an initial access token is needed (Authorization: Bearer)")
	}
	scheme, token, _ := strings.Cut(fields[0], " ")
	sum, right := sha256.Sum256([]byte(token)), 0
	for _, t := range s.config.RegistrationTokens {
		want := sha256.Sum256([]byte(t.Reveal()))
		right |= subtle.ConstantTimeCompare(sum[:], want[:])
	}
	if right != 1 || !strings.EqualFold(scheme, "Bearer") {
		return unauthorized(errInvalidToken, "the initial access token is not one of this server")
	}
	return nil
}

// readJSON reads the body of a registration, of at most
// [metadata.MaxClientBytes].
func readJSON(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Method != http.MethodPost {
		f := refuse(errInvalidRequest, "the method is not POST")
		f.status, f.header = http.StatusMethodNotAllowed, http.Header{"Allow": {http.MethodPost}}
		return nil, f
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		f := refuse(errInvalidRequest, "the Content-Type is not application/json")
		f.status = http.StatusUnsupportedMediaType
		return nil, f
	}
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		return nil, refuse(errInvalidRequest, "there is a query: metadata belongs into the body")
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, metadata.MaxClientBytes))
	switch {
	case errors.As(err, new(*http.MaxBytesError)):
		f := refuse(errInvalidMetadata, fmt.Sprintf("the body is longer than %d bytes", metadata.MaxClientBytes))
		f.status = http.StatusRequestEntityTooLarge
		return nil, f
	case err != nil:
		return nil, refuse(errInvalidRequest, "the body ends early")
	}
	return text, nil
}

// badMetadata is the refusal of RFC 7591 section 3.2.2. What the errors say is
// about what the client sent.
func badMetadata(err error) error {
	f := refuse(errInvalidMetadata, describe(err))
	if errors.Is(err, metadata.ErrRedirectURI) {
		f.code = errInvalidRedirectURI
	}
	f.why = err
	return f
}

// describe makes an error_description of at most 500 characters of an error.
func describe(err error) string {
	const limit = 500
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	text = strings.ReplaceAll(text, `"`, "'")
	out := make([]byte, 0, min(len(text), limit))
	for i := 0; i < len(text) && len(out) < limit; i++ {
		if c := text[i]; c >= 0x20 && c <= 0x7e && c != '\\' {
			out = append(out, c)
		} else {
			out = append(out, '?')
		}
	}
	return string(out)
}

// register makes a client of metadata and keeps it. A client_id in the metadata
// is replaced: a client that chose it could be taken for a person (RFC 9700
// section 4.15). unused is how long it is remembered without being used; 0 means
// for ever.
func (c *clients) register(ctx context.Context, m *metadata.Client, unused time.Duration) (*registration, error) {
	s := c.server
	m.ClientID = "client-" + newHandle().Reveal()
	defaults(m)
	if m.Scope == "" {
		m.Scope = strings.Join(s.scopesOffered(), " ")
	}
	if !s.config.AllowUnbound && !m.CertificateBoundTokens {
		m.DPoPBoundTokens = true // RFC 9449 section 5.2: replaces the default
	}
	now := s.now()
	record := clientRecord{Issued: now}
	out := &registration{IssuedAt: now.Unix()}
	var sums [][32]byte
	if m.AuthMethod == string(clientauth.SecretBasic) || m.AuthMethod == string(clientauth.SecretPost) {
		secret := newHandle()
		sum := sha256.Sum256([]byte(secret.Reveal()))
		sums, record.Secrets = [][32]byte{sum}, [][]byte{sum[:]}
		out.Secret, out.SecretExpires = secret.Reveal(), new(int64)
	}
	if _, err := c.make(Client{Client: *m}, sums); err != nil {
		return nil, badMetadata(err)
	}
	record.Metadata, out.Client = *m, *m
	if body, err := json.Marshal(record); err != nil || len(body) > MaxClientRecordBytes {
		return nil, badMetadata(fmt.Errorf("the metadata has more than %d bytes", MaxClientRecordBytes))
	}
	var expires time.Time // never
	if unused > 0 {
		expires = now.Add(unused)
	}
	if err := create(ctx, s.store, kindClient, keyOf(m.ClientID), "", expires, record); err != nil {
		return nil, unavailable(err)
	}
	return out, nil
}

// rate counts registrations by the minute. The zero value has counted none.
type rate struct {
	mu    sync.Mutex
	began time.Time
	count int
}

// take counts one and returns 0, or how long to wait.
func (r *rate) take(now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if age := now.Sub(r.began); r.began.IsZero() || age < 0 || age >= time.Minute {
		r.began, r.count = now, 0
	}
	if r.count >= RegistrationsPerMinute {
		return r.began.Add(time.Minute).Sub(now)
	}
	r.count++
	return 0
}
