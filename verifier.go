package holdfast

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// Acceptance says which presentations a resource admits. In every mode a token
// bound to a proof key is refused as Bearer.
type Acceptance uint8

// The acceptances.
const (
	// AcceptBound admits sender-constrained tokens only: DPoP, or Bearer with a
	// client certificate (RFC 8705). In a Requirement it means "as the Config says".
	AcceptBound Acceptance = iota
	// AcceptDPoPOnly admits tokens bound to a proof key only.
	AcceptDPoPOnly
	// AcceptBearerToo admits unbound tokens as well: whoever has one can use it.
	AcceptBearerToo
)

// NonceMode says when a proof needs a nonce of ours. Without a NonceSource a
// nonce claim is ignored.
type NonceMode uint8

// The modes.
const (
	NonceByRole   NonceMode = iota // required at an authorization server, optional at a resource
	NonceOptional                  // judged if present
	NonceRequired                  // every proof; the age of the proof is that of its nonce
	NonceForStale                  // only if iat is outside the window: wrong clocks are served through a nonce
)

// Defaults of [ProofPolicy]. FAPI 2.0 wants up to 10 s ahead accepted and more
// than 60 s refused.
const (
	DefaultMaxAge = 60 * time.Second
	DefaultSkew   = 10 * time.Second
	DefaultLeeway = 10 * time.Second
	MaxProofAge   = 300 * time.Second // longer windows are refused at construction
	maxLeeway     = 300 * time.Second // AT-4-04: a few minutes at most
)

// ProofPolicy says which proofs are accepted. The zero value is the safe
// choice: ES256, ES384, PS256, EdDSA, 60 s of age, 10 s ahead, an in-process replay cache.
type ProofPolicy struct {
	Algs   []Alg         // nil means ES256, ES384, PS256 and EdDSA (also spelled Ed25519); RS256 has to be named
	MaxAge time.Duration // how old iat may be; 0 means DefaultMaxAge
	Skew   time.Duration // how far ahead iat may be; 0 means DefaultSkew

	Nonces NonceSource
	Nonce  NonceMode

	// Replays remembers used proofs; nil means an in-process [Replays], which
	// serves a single replica only. A jti is kept until the latest time at
	// which this policy could still accept the proof.
	Replays ReplayCache

	// Realm names the verifier in the replay cache: two verifiers on the way of
	// one request need different realms, replicas of one share it. "" means the
	// scheme and host of the URL that is being judged.
	Realm string

	Now func() time.Time // nil means time.Now
}

// Config configures [NewVerifier]. Tokens, Issuers and Audience are required:
// a proof replaces none of them.
type Config struct {
	Tokens     TokenReader
	Issuers    []string      // accepted iss values
	Audience   []string      // names of this resource; one must be in aud
	TokenTypes []string      // accepted JOSE typ; nil means at+jwt (RFC 9068)
	Leeway     time.Duration // for exp and nbf; 0 means DefaultLeeway
	Proof      ProofPolicy
	Accept     Acceptance
	Blocks     BlockList // nil: nothing is blocked
	Replicas   int       // more than 1 requires a shared ReplayCache and NonceSource
}

// Requirement is what one route needs. The zero value needs nothing beyond
// what the Config says.
type Requirement struct {
	Scope    []string // all of them, or one of them if AnyScope
	AnyScope bool
	ACR      []string      // one of them (RFC 9470)
	MaxAge   time.Duration // of the user's authentication
	Issuers  []string      // instead of the Config's
	Audience []string      // instead of the Config's
	Accept   Acceptance
}

// ProofNeed is what an endpoint of an authorization server needs of a proof.
// Code, Refresh and Pushed are thumbprints that the proof key has to equal.
type ProofNeed struct {
	Required              bool
	Code, Refresh, Pushed *Thumbprint
}

// Access is what an accepted request may be believed about. It is a copy: the
// caller cannot change what is cached.
type Access struct {
	Token  Token
	Holder Thumbprint // proof key, or certificate of a certificate-bound token; zero for bearer
	By     Scheme
	Nonce  Nonce // zero if none was judged
}

// engine is what verifying and explaining share: the policy, settled once.
type engine struct {
	policy     ProofPolicy
	algs       algSet
	realm      string
	now        func() time.Time
	since      func(context.Context) (time.Time, error)
	ownNonces  bool // the nonce source was made here, to challenge after a cold start
	tokens     TokenReader
	issuers    []string
	audience   []string
	tokenTypes []string
	leeway     time.Duration
	accept     Acceptance
	blocks     BlockList

	headers      *headerCache
	hashedTokens hashedTokenReader // tokens, if it has that ability
}

// Verifier accepts or refuses requests at a protected resource. It is immutable
// and safe for concurrent use; there is no usable zero value.
type Verifier struct{ engine }

// ProofVerifier accepts or refuses proofs at the endpoints of an authorization
// server (token, PAR). Immutable and safe for concurrent use; there is no
// usable zero value.
type ProofVerifier struct{ engine }

// NewVerifier checks the whole configuration and reports every mistake at once.
func NewVerifier(c Config) (*Verifier, error) {
	v := &Verifier{engine{
		tokens: c.Tokens, issuers: slices.Clone(c.Issuers), audience: slices.Clone(c.Audience),
		tokenTypes: slices.Clone(c.TokenTypes), leeway: c.Leeway, accept: c.Accept, blocks: c.Blocks,
	}}
	var errs []error
	problem := func(format string, args ...any) { errs = append(errs, fmt.Errorf("verifier: "+format, args...)) }
	if c.Tokens == nil {
		problem("Tokens is required: who reads access tokens")
	}
	if len(c.Issuers) == 0 || slices.Contains(c.Issuers, "") {
		problem("Issuers is required, and none may be empty")
	}
	if len(c.Audience) == 0 || slices.Contains(c.Audience, "") {
		problem("Audience is required, and none may be empty: the names of this resource")
	}
	if len(v.tokenTypes) == 0 {
		v.tokenTypes = []string{"at+jwt"}
	}
	if v.leeway == 0 {
		v.leeway = DefaultLeeway
	}
	if c.Leeway < 0 || c.Leeway > maxLeeway {
		problem("Leeway is %v, want up to %v", c.Leeway, maxLeeway)
	}
	if c.Accept > AcceptBearerToo {
		problem("Accept has the unknown value %d", c.Accept)
	}
	if c.Replicas > 1 && c.Proof.Replays == nil {
		problem("%d replicas need a shared Proof.Replays, as store.OpenReplays gives", c.Replicas)
	}
	if c.Replicas > 1 && c.Proof.Nonces == nil {
		problem("%d replicas need a shared Proof.Nonces, as store.OpenNonceKeys gives", c.Replicas)
	}
	v.hashedTokens, _ = c.Tokens.(hashedTokenReader)
	errs = append(errs, v.settle(c.Proof, NonceOptional)...)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return v, nil
}

// NewProofVerifier checks the policy and reports every mistake at once.
func NewProofVerifier(p ProofPolicy) (*ProofVerifier, error) {
	v := &ProofVerifier{}
	if err := errors.Join(v.settle(p, NonceRequired)...); err != nil {
		return nil, err
	}
	return v, nil
}

// settle fills in the defaults; byRole is what NonceByRole means here.
func (v *engine) settle(p ProofPolicy, byRole NonceMode) []error {
	var errs []error
	problem := func(format string, args ...any) { errs = append(errs, fmt.Errorf("proof policy: "+format, args...)) }
	if p.Algs = slices.Clone(p.Algs); len(p.Algs) == 0 {
		p.Algs = defaultAlgs()
	}
	var err error
	if v.algs, err = newAlgSet(p.Algs); err != nil {
		problem("%w", err)
	}
	if v.algs.has(jose.EdDSA) || v.algs.has(jose.Ed25519) { // two spellings of one algorithm (RFC 9864)
		v.algs |= 1<<jose.EdDSA | 1<<jose.Ed25519
	}
	if p.MaxAge == 0 {
		p.MaxAge = DefaultMaxAge
	}
	if p.Skew == 0 {
		p.Skew = DefaultSkew
	}
	if p.MaxAge < 0 || p.MaxAge > MaxProofAge {
		problem("MaxAge is %v, want up to %v", p.MaxAge, MaxProofAge)
	}
	if p.Skew < 0 || p.Skew > MaxProofAge {
		problem("Skew is %v, want up to %v", p.Skew, MaxProofAge)
	}
	if p.Nonce > NonceForStale {
		problem("Nonce has the unknown value %d", p.Nonce)
	}
	if p.Nonce == NonceByRole {
		p.Nonce = byRole
		if byRole == NonceRequired && p.Nonces == nil {
			problem("Nonces is required at an authorization server; NonceOptional turns them off")
		}
	} else if p.Nonces == nil && p.Nonce != NonceOptional {
		problem("the nonce mode needs Nonces, as NewNonces makes them")
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	v.now, v.realm, v.headers = p.Now, p.Realm, newHeaderCache()
	errs = append(errs, v.settleReplays(&p)...)
	v.policy = p
	return errs
}

func (v *engine) settleReplays(p *ProofPolicy) []error {
	window := p.MaxAge + p.Skew + 2*time.Second
	if p.Nonces != nil && (p.Nonce == NonceRequired || p.Nonce == NonceForStale) {
		window = max(window, DefaultNonceLifetime+nonceAhead+2*time.Second)
		if n, ok := p.Nonces.(interface{ Lifetime() time.Duration }); ok {
			window = max(window, n.Lifetime()+nonceAhead+2*time.Second)
		}
	}
	if p.Replays == nil {
		r, err := NewReplays(ReplayConfig{Window: window, Now: p.Now})
		if err != nil {
			return []error{err}
		}
		p.Replays = r
	} else if r, ok := p.Replays.(*Replays); ok && r.window < window {
		return []error{fmt.Errorf("proof policy: Replays remembers for %v, this policy needs %v", r.window, window)}
	}
	v.since = func(context.Context) (time.Time, error) { return time.Time{}, nil }
	if m, ok := p.Replays.(ReplayMemory); ok {
		v.since = m.Since
	}
	if p.Nonces == nil {
		n, err := NewNonces(NonceConfig{Now: p.Now, Realm: p.Realm})
		if err != nil {
			return []error{err}
		}
		p.Nonces, v.ownNonces = n, true
	}
	return nil
}

// Nonce returns a fresh nonce for a DPoP-Nonce field: with every use_dpop_nonce
// answer, and with any other answer the server likes.
func (v *engine) Nonce(ctx context.Context) (string, error) { return v.policy.Nonces.Issue(ctx) }

// Algs returns the proof algorithms that are accepted, for the algs parameter
// of a challenge.
func (v *engine) Algs() []Alg { return slices.Clone(v.policy.Algs) }

// Verify judges a request at a resource with the verifier's clock. The error is
// a [Code], or wraps one with its cause for server.* codes. The only effect is
// that the jti of an accepted proof is recorded.
func (v *Verifier) Verify(ctx context.Context, p *Presentation, need Requirement) (*Access, error) {
	e := newEvidence(&v.engine, p, atResource)
	defer e.release()
	e.need.Requirement = need
	if code := e.judge(ctx); code != CodeOK {
		return nil, e.refusal(code)
	}
	e.remember()
	return e.access(), nil
}

// Observe judges like Verify but enforces the token and its access rules only.
// What it finds about the scheme, the proof, the binding and replay is in the
// returned Code, which is what Verify would have returned; the error is what is
// enforced. The Access names no holder. For a rollout: it gives no extra trust.
func (v *Verifier) Observe(ctx context.Context, p *Presentation, need Requirement) (*Access, Code, error) {
	e := newEvidence(&v.engine, p, atResource)
	defer e.release()
	e.need.Requirement = need
	code, enforced := e.observe(ctx)
	if enforced != CodeOK {
		return nil, code, e.refusal(enforced)
	}
	a := e.access()
	a.Holder = Thumbprint{}
	return a, code, nil
}

// Verify judges the proof of a request at an authorization server and returns
// the thumbprint of its key; the zero Thumbprint if there was no proof and none
// was required. Errors as in [Verifier.Verify].
func (v *ProofVerifier) Verify(ctx context.Context, p *Presentation, need ProofNeed) (Thumbprint, error) {
	e := newEvidence(&v.engine, p, atServer)
	defer e.release()
	e.need.ProofNeed = need
	if code := e.judge(ctx); code != CodeOK {
		return Thumbprint{}, e.refusal(code)
	}
	if e.proofCount == 0 {
		return Thumbprint{}, nil
	}
	e.remember()
	return e.proof.key.Thumbprint(), nil
}

// remember notes the header of the proof of an accepted request.
func (e *evidence) remember() {
	if e.have&factKey != 0 && e.proof.known == nil {
		e.v.headers.accepted(e.proof.jws.HeaderSegment, e.proof.key)
	}
}

// judge walks the table and stops at the first failure.
func (e *evidence) judge(ctx context.Context) Code {
	if e.p.Hidden != 0 {
		return CodeServerEvidence // only a diagnosis may judge what it cannot see
	}
	for i := range stages {
		if stages[i].gather != nil {
			stages[i].gather(ctx, e)
		}
		for j := range stages[i].checks {
			if code := e.judgeRow(&stages[i].checks[j]); code != CodeOK {
				return code
			}
		}
	}
	return CodeOK
}

func (e *evidence) judgeRow(c *check) Code {
	if c.where&e.sit == 0 || c.when != nil && !c.when(e) {
		return CodeOK // not applicable
	}
	if e.have&c.needs != c.needs {
		return e.whyAbsent(c.needs) // fail closed
	}
	return c.test(e)
}

// observe walks the whole table, remembers the first failure and the first
// failure of a row that is enforced. The jti is recorded only if nothing
// failed, as in Verify.
func (e *evidence) observe(ctx context.Context) (first, enforced Code) {
	if e.p.Hidden != 0 {
		return CodeServerEvidence, CodeServerEvidence
	}
	for i := range stages {
		if stages[i].name == "replay" && first != CodeOK {
			break
		}
		if stages[i].gather != nil {
			stages[i].gather(ctx, e)
		}
		for j := range stages[i].checks {
			c := &stages[i].checks[j]
			code := e.judgeRow(c)
			if code == CodeOK {
				continue
			}
			if first == CodeOK {
				first = code
			}
			if enforced == CodeOK && c.enforced(stages[i].name) {
				enforced = code
			}
		}
	}
	if e.token == nil && enforced == CodeOK {
		enforced = first // no token was read, so nobody is known
	}
	return first, enforced
}

// enforced reports whether Observe refuses for this row: for what the token
// says, and for a request in which no token can be found.
func (c *check) enforced(stage string) bool {
	return stage == "token" || stage == "access" || c.id == "request.auth" || c.id == "request.scheme"
}

func (e *evidence) access() *Access {
	a := &Access{By: e.auth.scheme, Nonce: e.nonce}
	if e.token != nil {
		a.Token = e.token.clone()
	}
	switch {
	case e.auth.scheme == SchemeDPoP && e.have&factKey != 0:
		a.Holder = e.proof.key.Thumbprint()
	case e.token != nil && !e.token.Confirmation.X5T.IsZero():
		a.Holder = e.token.Confirmation.X5T
	}
	return a
}

func (t *Token) clone() Token {
	c := *t
	c.Audience = slices.Clone(t.Audience)
	c.Scope = slices.Clone(t.Scope)
	c.Claims = slices.Clone(t.Claims)
	return c
}

// refusal is a server.* code with its cause, for the operator. The peer gets
// Code.Public.
type refusal struct {
	code  Code
	cause error
}

func (r *refusal) Error() string   { return r.code.Error() + ": " + r.cause.Error() }
func (r *refusal) Unwrap() []error { return []error{r.code, r.cause} }

func (e *evidence) refusal(c Code) error {
	if cause := e.cause(c); cause != nil && cause != error(c) && c.Family() == FamilyServer {
		return &refusal{c, cause}
	}
	return c
}

// CodeOf returns the code in an error of this package: CodeOK for nil, and a
// server.* code for an error that holds none.
func CodeOf(err error) Code {
	if err == nil {
		return CodeOK
	}
	var c Code
	if errors.As(err, &c) {
		return c
	}
	return CodeServerToken
}
