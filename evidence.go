package holdfast

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"strings"
	"sync"
	"time"
)

// situation is where a presentation is judged. Until the scheme is known a
// request at a resource is in both of its situations.
type situation uint8

const (
	withProof    situation = 1 << iota // at a resource, scheme DPoP
	withoutProof                       // at a resource, scheme Bearer
	atServer                           // at a token, PAR or other endpoint of an authorization server

	atResource = withProof | withoutProof
	proofBased = withProof | atServer
	anywhere   = atResource | atServer
)

// evidence is what is known about one presentation. Gatherers fill it, stage by
// stage; the rows of the table read it and nothing else. It is immutable after
// its stage.
type evidence struct {
	p    *Presentation
	v    *engine
	need need
	have Fact
	sit  situation

	now       time.Time
	auth      presented
	tokenHash [32]byte

	proof      proof
	proofCount int
	urlNormal  string // normalised URL of the request
	htuNormal  string // normalised htu claim, "" if it is no URI

	verified bool // the signature of the proof verifies

	nonce     Nonce
	wantNonce bool      // policy demands a current nonce of this proof
	since     time.Time // since when the replay cache remembers, as freshness was judged

	token   *Token
	blocked bool
	first   bool // replay: this is the first use

	peek   bool                // explain: look, never record
	causes [serverCauses]error // why a fact is absent, for the operator
}

// need is what one request has to satisfy: a Requirement at a resource, a
// ProofNeed at an authorization server.
type need struct {
	Requirement
	ProofNeed
}

// The facts whose absence has a code of its own.
const (
	causeToken = iota
	causeNonce
	causeReplay
	causeBlocks
	serverCauses
)

var evidencePool = sync.Pool{New: func() any { return new(evidence) }}

func newEvidence(v *engine, p *Presentation, sit situation) *evidence {
	e := evidencePool.Get().(*evidence)
	e.v, e.p, e.sit = v, p, sit
	e.now = v.now()
	e.have = hideable &^ p.Hidden
	return e
}

// release zeroes the evidence before it is reused: nothing of one request is
// left for the next.
func (e *evidence) release() {
	*e = evidence{}
	evidencePool.Put(e)
}

// whyAbsent returns the code for a check that could not be made.
func (e *evidence) whyAbsent(needs Fact) Code {
	absent := needs &^ e.have
	switch {
	case absent&hideable&e.p.Hidden != 0:
		return CodeServerEvidence
	case absent&FactNonce != 0:
		return CodeServerNonce
	case absent&(FactToken|FactTokenAuthentic) != 0:
		return CodeServerToken
	case absent&FactBlocked != 0:
		return CodeServerBlocks
	case absent&FactReplay != 0:
		if errors.Is(e.causes[causeReplay], CodeServerReplayFull) {
			return CodeServerReplayFull
		}
		return CodeServerReplay
	default:
		return CodeServerEvidence
	}
}

// cause returns what an operator should see behind a server.* code.
func (e *evidence) cause(c Code) error {
	switch c {
	case CodeServerToken:
		return e.causes[causeToken]
	case CodeServerNonce:
		return e.causes[causeNonce]
	case CodeServerReplay, CodeServerReplayFull:
		return e.causes[causeReplay]
	case CodeServerBlocks:
		return e.causes[causeBlocks]
	default:
		return nil
	}
}

// gatherPresentation splits the Authorization field and counts the proofs.
func gatherPresentation(_ context.Context, e *evidence) {
	for _, s := range e.p.Proofs {
		e.proofCount += proofsIn(s.s)
	}
	if e.sit&atResource == 0 || e.have&FactAuthorization == 0 {
		return
	}
	if len(e.p.Authorization) != 1 {
		return
	}
	e.auth = splitAuthorization(e.p.Authorization[0].s)
	switch e.auth.scheme {
	case SchemeDPoP:
		e.sit = withProof
	case SchemeBearer:
		e.sit = withoutProof
	}
}

// proofsIn counts proofs in one field value: a proxy joins two fields with a
// comma, which no proof contains (RFC 9449 section 4.1). The commas of a JSON
// document are its own: it is one value of the wrong form.
func proofsIn(v string) int {
	if strings.HasPrefix(v, "{") {
		return 1
	}
	return 1 + strings.Count(v, ",")
}

// gatherProof parses the proof and normalises the two URIs. It costs CPU only.
func gatherProof(_ context.Context, e *evidence) {
	if e.sit&proofBased == 0 || e.proofCount != 1 || e.have&FactProof == 0 {
		return
	}
	value := e.p.Proofs[0].s
	var known *knownHeader
	if !e.peek { // a report reads everything anew: it must not depend on what came before
		known = e.v.headers.known(value)
	}
	e.have |= parseProof(&e.proof, value, known)
	if e.have&factForm == 0 {
		return
	}
	if e.have&FactURL != 0 {
		var ok bool
		if e.urlNormal, ok = normalizeURI(e.p.URL); !ok {
			e.have &^= FactURL // our own mistake or a broken capture: never the client's fault
		}
	}
	if e.htuNormal = e.urlNormal; e.proof.htu != e.p.URL || e.have&FactURL == 0 { // mostly they are one text
		e.htuNormal, _ = normalizeURI(e.proof.htu)
	}
}

// gatherKey reads the key of the proof, the costly part of its shape. It does
// not where the name of the algorithm is refused whatever the key; a report
// wants to know about the key all the same.
func gatherKey(_ context.Context, e *evidence) {
	if e.have&factForm != 0 && (e.peek || algCode(e) == CodeOK) {
		e.have |= e.proof.readKey()
	}
}

// gatherFreshness judges the nonce and finds out whether one is needed.
func gatherFreshness(ctx context.Context, e *evidence) {
	if e.sit&proofBased == 0 || e.have&factForm == 0 || e.p.Hidden&FactNonce != 0 {
		return
	}
	if e.proof.hasNonce {
		var err error
		if e.nonce, err = e.judgeNonce(ctx); err != nil {
			e.causes[causeNonce] = err
			return
		}
	}
	if e.v.policy.Nonce == NonceForStale && e.have&FactTime == 0 && e.nonce.State == NonceUnknown {
		return // whether a nonce was needed depends on a time that is not known
	}
	e.wantNonce = e.nonceWanted()
	var err error
	if e.since, err = e.v.since(ctx); err != nil {
		e.causes[causeNonce] = err
		return
	}
	if e.mayPredate() && (e.nonce.State != NonceCurrent || e.nonce.Issued.Before(e.since)) {
		// The proof may have been used before the cache began to remember.
		e.wantNonce = true
		e.nonce = Nonce{}
	}
	e.have |= FactNonce
}

// mayPredate reports whether the proof could have been accepted before the
// replay cache began to remember, and could be accepted all the same. One that
// proof.iat refuses anyway is not worth a challenge.
func (e *evidence) mayPredate() bool {
	if e.since.IsZero() || e.have&factIAT == 0 {
		return false
	}
	if e.nonceGovernsTime() {
		return true // iat may be years off: only the nonce tells
	}
	// A proof that was accepted at that time had an iat up to Skew ahead of it.
	if time.Unix(e.proof.iat, 0).After(e.since.Add(e.v.policy.Skew)) {
		return false
	}
	return e.have&FactTime == 0 || e.wantNonce || e.iatCode() == CodeOK
}

// judgeNonce asks the source about the nonce of the proof. An error means that
// nobody could find out.
func (e *evidence) judgeNonce(ctx context.Context) (Nonce, error) {
	n := Nonce{State: NonceForeign}
	if validNonce(e.proof.nonce) { // D-8.1-01: any other is not one that we can have issued
		var err error
		if n, err = e.v.policy.Nonces.Judge(ctx, e.proof.nonce); err != nil {
			return Nonce{}, err
		}
	}
	switch {
	case n.State == NonceUnknown || n.State > NonceForeign:
		return Nonce{}, errors.New("nonce source: no answer and no error")
	case n.State == NonceCurrent && n.Expires.IsZero():
		return Nonce{}, errors.New("nonce source: a current nonce without the time of its expiry")
	case n.State != NonceCurrent && e.v.ownNonces:
		// Our source exists only to challenge after a cold start: a nonce of
		// somebody else means nothing to it.
		return Nonce{}, nil
	}
	return n, nil
}

// nonceWanted applies the nonce policy to this proof.
func (e *evidence) nonceWanted() bool {
	switch e.v.policy.Nonce {
	case NonceRequired:
		return true
	case NonceForStale:
		return e.have&factIAT != 0 && e.have&FactTime != 0 && e.iatCode() != CodeOK
	default:
		return false
	}
}

// nonceGovernsTime reports whether the age of the proof is that of its nonce
// (RFC 9449 section 11.1): under the modes in which the policy says so.
func (e *evidence) nonceGovernsTime() bool {
	return e.nonce.State == NonceCurrent && (e.v.policy.Nonce == NonceRequired || e.v.policy.Nonce == NonceForStale)
}

// iatCode compares iat with the window.
func (e *evidence) iatCode() Code {
	iat := time.Unix(e.proof.iat, 0)
	switch {
	case e.now.Sub(iat) > e.v.policy.MaxAge:
		return CodeProofIatOld
	case iat.Sub(e.now) > e.v.policy.Skew:
		return CodeProofIatFuture
	default:
		return CodeOK
	}
}

// gatherHolder hashes the presented token, once: the hash binds and looks up.
func gatherHolder(_ context.Context, e *evidence) {
	if e.sit == withProof && e.auth.token != "" {
		e.tokenHash = sha256.Sum256([]byte(e.auth.token))
	}
}

// gatherSignature verifies the proof: the most expensive step, after every
// comparison that could have refused it.
func gatherSignature(_ context.Context, e *evidence) {
	if e.sit&proofBased == 0 || e.have&factKey == 0 || e.have&FactProofSignature == 0 {
		return
	}
	j := &e.proof.jws
	e.verified = e.proof.key.Verify(j.Alg, j.SigningInput, j.Signature) == nil
	e.have |= factVerified
}

// gatherToken asks the reader; it may do I/O.
func gatherToken(ctx context.Context, e *evidence) {
	if e.sit&atResource == 0 || e.auth.scheme == SchemeUnknown || e.auth.bad || e.v.tokens == nil {
		return
	}
	var t *Token
	var err error
	if e.v.hashedTokens != nil && e.sit == withProof {
		t, err = e.v.hashedTokens.ReadTokenHashed(ctx, Secret{e.auth.token}, e.tokenHash)
	} else {
		t, err = e.v.tokens.ReadToken(ctx, Secret{e.auth.token})
	}
	if err != nil || t == nil {
		e.causes[causeToken] = err
		return
	}
	e.token = t
	e.have |= FactToken
	if t.State > TokenUnknown && t.State <= TokenInactive {
		e.have |= FactTokenAuthentic
	}
}

// holder is the key or certificate that the token is bound to. It is never the
// key of the proof: while observing, nothing has made sure that they are equal,
// and a blocked holder must not hide behind another key.
func (e *evidence) holder() Thumbprint {
	if !e.token.Confirmation.JKT.IsZero() {
		return e.token.Confirmation.JKT
	}
	return e.token.Confirmation.X5T
}

// gatherBlocked asks the block list, if there is one.
func gatherBlocked(ctx context.Context, e *evidence) {
	if e.v.blocks == nil || e.token == nil {
		return
	}
	var err error
	e.blocked, err = e.v.blocks.Blocked(ctx, e.holder(), e.token.ClientID)
	if c := &e.token.Confirmation; err == nil && !e.blocked && !c.JKT.IsZero() && !c.X5T.IsZero() {
		e.blocked, err = e.v.blocks.Blocked(ctx, c.X5T, e.token.ClientID) // bound to both: either may be blocked
	}
	if err != nil {
		e.causes[causeBlocks] = err
		return
	}
	e.have |= FactBlocked
}

// gatherReplay records the jti: the only effect, always last, and only when
// nothing failed before. Explain peeks instead.
func gatherReplay(ctx context.Context, e *evidence) {
	const needs = factJTI | factKey
	if e.sit&proofBased == 0 || e.have&needs != needs || e.p.Hidden&FactReplay != 0 {
		return
	}
	realm := e.v.realm
	if realm == "" {
		// The normalised URL, so that another spelling of the host is not another memory.
		if realm = originOf(e.urlNormal); realm == "" {
			return
		}
	}
	id := newReplayID(realm, e.proof.key.Thumbprint(), e.proof.jti)
	var err error
	if e.peek {
		peeker, ok := e.v.policy.Replays.(ReplayPeeker)
		if !ok {
			return
		}
		var seen bool
		seen, err = peeker.Peek(ctx, id)
		e.first = !seen
	} else {
		until := e.replayUntil()
		e.first, err = e.v.policy.Replays.Use(ctx, id, until)
		// Freshness was judged before the token was read, which may have taken
		// long: by now an earlier use may be forgotten again.
		if err == nil && e.first && e.v.now().After(until) {
			err = errors.New("judging the request took longer than its proof is remembered")
		}
	}
	if err == nil && e.first && e.have&FactNonce != 0 {
		err = e.sameMemory(ctx)
	}
	if err != nil {
		e.causes[causeReplay] = err
		return
	}
	e.have |= FactReplay
}

// sameMemory returns an error unless the cache that answered remembers since
// the time against which freshness was judged: a shared cache may have lost its
// memory while this request was on its way, and then a first use says nothing.
func (e *evidence) sameMemory(ctx context.Context) error {
	since, err := e.v.since(ctx)
	if err == nil && !since.Equal(e.since) {
		err = errors.New("the replay cache lost its memory during this request")
	}
	return err
}

// replayUntil is the latest time at which this policy could still accept the
// proof; a second more, because iat counts whole seconds. Where the nonce
// governs time iat may be years off and says nothing.
func (e *evidence) replayUntil() time.Time {
	until := time.Unix(e.proof.iat, 0).Add(e.v.policy.MaxAge)
	if e.nonceGovernsTime() {
		until = e.nonce.Expires
	}
	if until.Before(e.now) {
		until = e.now
	}
	return until.Add(time.Second)
}

// certificateThumbprint is x5t#S256 of a certificate (RFC 8705 section 3.1).
func certificateThumbprint(c *x509.Certificate) Thumbprint {
	return Thumbprint(sha256.Sum256(c.Raw))
}
