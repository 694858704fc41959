package explain

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/metadata"
	"github.com/holdfast-oauth/holdfast/token"
)

// scene is everything that is known: the exchanges, what they have to do with
// each other, and the documents.
type scene struct {
	ev *Evidence
	k  Knowledge

	all    []*sight // every exchange, in order; later views of one are kept apart
	sights []*sight // those that have to do with OAuth

	issues    []*issue            // tokens that were seen being issued
	nonces    map[string][]origin // who handed out which nonce, and when
	givenBy   map[string][]*sight // by origin: the answers that handed out a nonce
	documents map[string][]*Document
	servers   []*metadata.Server
	resources []*metadata.Resource
	where     map[string][]string // URLs of fetched server metadata, by issuer
	keys      []token.KeySet
	introspec *introspection
	client    map[string]any
	cert      *x509.Certificate
	certDoc   *Document
	logs      []logLine
	searched  int      // signatures that were tried in other forms
	notes     []string // what was left out, by the name of its limit

	topics    topicMemo
	wrongForm map[[2]string]string // thumbprint and confirmation -> how the latter was computed
	find      index
	verifiers map[string]*holdfast.Verifier
	provers   map[string]*holdfast.ProofVerifier
	jwt       holdfast.TokenReader
}

type origin struct {
	at   int // index of the exchange
	name string
}

// issue is one token response.
type issue struct {
	from      *sight // nil if it came as a document
	access    *looseToken
	tokenType string
	refresh   string // identity
	idToken   string // identity
	scope     string
	jkt       string // proof key of the request, "" without proof
	proofSeen bool   // the request carried a proof
	requested bool   // the request was seen
	at        time.Time
}

// introspection is an introspection answer.
type introspection struct {
	doc   *Document
	from  *sight
	facts map[string]any
	token *holdfast.Token
	where string
}

// logLine is one line of a log, a console or a note.
type logLine struct {
	doc    *Document
	text   string
	topics topic
}

// newScene reads everything once.
func newScene(ctx context.Context, ev *Evidence, k Knowledge) *scene {
	s := &scene{
		ev: ev, k: k, nonces: map[string][]origin{}, givenBy: map[string][]*sight{},
		documents: map[string][]*Document{}, where: map[string][]string{},
		topics: topicMemo{}, find: newIndex(), wrongForm: map[[2]string]string{},
		verifiers: map[string]*holdfast.Verifier{}, provers: map[string]*holdfast.ProofVerifier{},
	}
	for i := range ev.Exchanges {
		g := newSight(&ev.Exchanges[i], i, s.topics.of)
		g.source = s.sourceOf(g.n)
		g.behind = s.backend(g)
		s.find.add(g)
		s.all = append(s.all, g)
	}
	s.readDocuments()
	s.linkViews()
	for _, g := range s.all {
		s.settleTime(g)
		s.remember(g)
	}
	s.readKeys()
	for _, g := range s.all {
		if g.relevant() || g.role == roleMetadata || g.role == rolePreflight {
			s.sights = append(s.sights, g)
		}
		if g.proof != nil || g.token != nil || g.scheme != "" {
			s.judge(ctx, g)
		}
	}
	s.pair()
	return s
}

func (s *scene) sourceOf(n int) *Source {
	for i := range s.ev.Sources {
		src := &s.ev.Sources[i]
		if src.First > 0 && n >= src.First && n <= src.Last {
			return src
		}
	}
	return &Source{}
}

// settleTime finds the time at which a request was judged: the Date of its
// answer, which is the clock that refused it, else the clock of the capture,
// else the time of the evidence. Never the wall clock.
func (s *scene) settleTime(g *sight) {
	switch {
	case !g.date.IsZero():
		g.at = g.date
	case !g.sent.IsZero():
		g.at = g.sent
	case !s.k.At.IsZero():
		g.at = s.k.At
	default:
		g.at = s.ev.ObservedAt
	}
}

func (s *scene) readDocuments() {
	for i := range s.ev.Documents {
		d := &s.ev.Documents[i]
		s.documents[d.Kind] = append(s.documents[d.Kind], d)
		switch d.Kind {
		case KindMetadata:
			s.addMetadata(d.Body, d.Origin)
		case KindIntrospection:
			s.addIntrospection(d.Body, d, nil, d.Origin)
		case KindTokenResponse:
			s.addIssue(looseObject(d.Body), nil, d.Time)
		case KindClient:
			if m := looseObject(d.Body); m != nil {
				s.client = m
			}
		case KindCertificate:
			s.certDoc = d
			if b, _ := pem.Decode(d.Body); b != nil {
				s.cert, _ = x509.ParseCertificate(b.Bytes)
			}
		case KindServerLog, KindConsole, KindNote, KindTopology, KindServerConfig:
			s.addLines(d)
		}
	}
	for _, m := range s.k.Metadata {
		s.addMetadata(m, "")
	}
}

// maxLogLines bounds how many lines of documents are searched.
const maxLogLines = 20_000

func (s *scene) addLines(d *Document) {
	for line := range bytes.Lines(d.Body) {
		t := strings.TrimSpace(string(line[:min(len(line), maxWords)]))
		if t == "" {
			continue
		}
		if len(s.logs) >= maxLogLines {
			s.note("only the first %d lines of logs, notes and configuration were searched (limit maxLogLines)", maxLogLines)
			return
		}
		s.logs = append(s.logs, logLine{doc: d, text: t, topics: s.topics.of(t)})
	}
}

// note tells the reader of the diagnosis what was left out; each text once.
func (s *scene) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(s.notes, text) {
		s.notes = append(s.notes, text)
	}
}

func (s *scene) addMetadata(body []byte, where string) {
	if m, err := metadata.ParseServer(body); err == nil && m.Issuer != "" {
		s.servers = append(s.servers, m)
		s.where[m.Issuer] = append(s.where[m.Issuer], where)
		return
	}
	if m, err := metadata.ParseResource(body); err == nil && m.Resource != "" {
		s.resources = append(s.resources, m)
	}
}

func (s *scene) addIntrospection(body []byte, d *Document, g *sight, where string) {
	t, err := token.Introspected(body)
	if err != nil || s.introspec != nil {
		return
	}
	s.introspec = &introspection{doc: d, from: g, facts: looseObject(body), token: t, where: where}
}

// addIssue notes a token response.
func (s *scene) addIssue(m map[string]any, g *sight, at time.Time) {
	value := text(m, "access_token")
	if value == "" {
		return
	}
	is := &issue{from: g, access: readLooseToken(value), tokenType: text(m, "token_type"), scope: text(m, "scope"), at: at}
	if v := text(m, "refresh_token"); v != "" {
		is.refresh = identity(v)
	}
	if v := text(m, "id_token"); v != "" {
		is.idToken = identity(v)
	}
	switch {
	case g != nil:
		is.requested = true
		is.proofSeen = g.proof != nil
		is.jkt = g.jkt()
	case len(s.documents[KindTokenRequestProof]) > 0:
		is.requested = true
	}
	s.issues = append(s.issues, is)
	if is.access.id != "" && s.find.issues[is.access.id] == nil {
		s.find.issues[is.access.id] = is
	}
}

// readKeys settles who can read tokens and which proof asked for a token that
// came as a document.
func (s *scene) readKeys() {
	for _, d := range s.documents[KindJWKS] {
		if ks, err := token.ParseJWKS(d.Body); err == nil {
			if d.Origin != "" {
				ks.Issuer = d.Origin
			}
			s.keys = append(s.keys, ks)
		}
	}
	for _, b := range s.k.Keys {
		if ks, err := token.ParseJWKS(b); err == nil {
			s.keys = append(s.keys, ks)
		}
	}
	if docs := s.documents[KindTokenRequestProof]; len(docs) > 0 {
		p := readLooseProof(strings.TrimSpace(string(docs[0].Body)))
		for _, is := range s.issues {
			if is.from == nil {
				is.requested, is.proofSeen = true, true
				if !p.jkt.IsZero() {
					is.jkt = p.jkt.String()
				}
			}
		}
	}
	s.jwt = token.NewJWT(s.keys)
}

// remember adds what an exchange tells to the histories.
func (s *scene) remember(g *sight) {
	if g.viewOf != nil {
		return
	}
	if g.said.nonce != "" {
		s.nonces[g.said.nonce] = append(s.nonces[g.said.nonce], origin{g.index, g.origin})
		s.givenBy[g.origin] = append(s.givenBy[g.origin], g)
	}
	if g.json == nil {
		return
	}
	switch {
	case g.json["access_token"] != nil && g.ok:
		s.addIssue(g.json, g, g.at)
	case g.ok && g.role == roleMetadata:
		if g.json["keys"] != nil {
			if ks, err := token.ParseJWKS(g.x.Body); err == nil {
				s.keys = append(s.keys, ks)
			}
			return
		}
		s.addMetadata(g.x.Body, g.place())
	case g.ok && g.role == roleIntrospection && g.json["active"] != nil:
		s.addIntrospection(g.x.Body, nil, g, g.place())
	}
}

// linkViews finds exchanges that are later sights of an earlier one: the same
// proof or credentials and body, seen again behind a proxy. They are not
// repeated requests.
func (s *scene) linkViews() {
	for _, v := range s.ev.Views {
		x := v.Request
		g := newSight(&x, -1, s.topics.of)
		for _, o := range s.all {
			if o.n == v.Of {
				o.view, g.viewOf = g, o
			}
		}
	}
	if !s.find.behind {
		return
	}
	for i, g := range s.all {
		if g.viewOf != nil {
			continue
		}
		for j := i - 1; j >= 0 && j >= i-200; j-- {
			o := s.all[j]
			if !g.behind && !o.behind {
				continue
			}
			if o.view == nil && o.viewOf == nil && s.sameRequestLater(o, g) {
				o.view, g.viewOf = g, o
				break
			}
			if o.view == nil && o.viewOf == nil && s.sameRequestLater(g, o) {
				g.view, o.viewOf = o, g
				break
			}
		}
	}
}

// sameRequestLater reports whether b looks like a as a station behind a proxy
// received it.
func (s *scene) sameRequestLater(a, b *sight) bool {
	if a.x.Request.Method != b.x.Request.Method || a.role == rolePreflight {
		return false
	}
	if a.redirectsTo(b) || !b.behind || a.behind {
		return false
	}
	if d := b.sent.Sub(a.sent); !a.sent.IsZero() && !b.sent.IsZero() && (d > 5*time.Second || d < -5*time.Second) {
		return false
	}
	sameProof := a.proof != nil && b.proof != nil && a.proof.raw == b.proof.raw
	sameToken := a.token != nil && b.token != nil && a.token.raw == b.token.raw
	sameBody := len(a.x.RequestBody) > 0 && bytes.Equal(a.x.RequestBody, b.x.RequestBody)
	sameTail := lastSegment(a.url.Path) == lastSegment(b.url.Path)
	if s.ev.Vantage == "client+backend" {
		return sameProof || sameToken || sameBody || sameTail
	}
	return sameProof || sameTail && (sameToken || sameBody)
}

func lastSegment(p string) string {
	p = strings.TrimRight(p, "/")
	return p[strings.LastIndexByte(p, '/')+1:]
}

// backend reports whether the capture of an exchange was taken behind a proxy.
func (s *scene) backend(g *sight) bool {
	for _, name := range [...]string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-Ip", "Forwarded", "Via", "X-Forwarded-Port", "X-Envoy-External-Address", "X-Amzn-Trace-Id", "X-Original-Uri", "X-Forwarded-Prefix"} {
		if g.x.RequestHeader.Get(name) != "" {
			return true
		}
	}
	o := strings.ToLower(g.x.Origin)
	return strings.Contains(o, "backend") || strings.Contains(o, "upstream") || strings.Contains(o, "origin-") ||
		s.ev.Vantage == "client+backend" && innerHost(g.url.Hostname())
}

// innerHost reports whether a host name is one that only a proxy would use.
func innerHost(h string) bool {
	return !strings.Contains(h, ".") || strings.HasPrefix(h, "127.") || strings.HasPrefix(h, "10.") || strings.HasPrefix(h, "192.168.") ||
		strings.HasPrefix(h, "172.") || strings.HasSuffix(h, ".local") || strings.HasSuffix(h, ".internal") || strings.HasSuffix(h, ".svc")
}

func (g *sight) redirectsTo(o *sight) bool {
	key, ok := g.redirectKey()
	return ok && key == o.placeKey()
}

// maxSearched is how many signatures that do not verify are tried in other forms.
const maxSearched = 500

// judge runs the check table over one exchange.
func (s *scene) judge(ctx context.Context, g *sight) {
	defer func() {
		if g.proof == nil {
			return
		}
		if g.outcome("proof.signature").Status == holdfast.Pass {
			g.proof.sigSeen, g.proof.sigOK = true, true
		} else if s.searched++; s.searched <= maxSearched {
			g.proof.examine()
		} else {
			s.note("signatures of further proofs were not searched for other forms (limit maxSearched)")
		}
	}()
	p := g.x.Request
	p.At = g.at
	p.Hidden |= holdfast.FactReplay | holdfast.FactNonce
	if p.At.IsZero() {
		p.Hidden |= holdfast.FactTime
		p.At = time.Unix(1, 0)
	}
	if g.proof != nil && g.proof.sigMark != "" && !g.proof.hidden {
		// The signature was removed; everything before it can be judged.
		v := p.Proofs[0].Reveal()
		rest, _, _ := splitMark(v)
		p.Proofs = []holdfast.Secret{holdfast.NewSecret(rest + "AAAA")}
		p.Hidden |= holdfast.FactProofSignature
	} else if g.proof != nil && g.proof.hidden {
		p.Hidden |= holdfast.FactProof
	}
	if s.k.PublicURL != "" && (s.ev.Vantage == "server" || g.behind) {
		p.URL = strings.TrimSuffix(s.k.PublicURL, "/") + g.url.EscapedPath()
	}
	if g.source != nil && g.source.SchemeAssumed && g.proof != nil {
		// The capture does not tell http from https: the proof may.
		if u, err := url.Parse(g.proof.htu); err == nil && u.Scheme != "" && strings.EqualFold(u.Host, g.url.Host) {
			g.url.Scheme, g.origin = u.Scheme, originOf(u)
			p.URL = g.url.String()
		}
	}
	if g.role.atServer() {
		if v := s.prover(g); v != nil {
			g.report = v.Explain(ctx, &p, holdfast.ProofNeed{})
		}
		return
	}
	if g.token != nil && g.token.hidden && len(p.Authorization) == 1 {
		p.Authorization = []holdfast.Secret{holdfast.NewSecret(g.scheme + " " + hiddenToken)}
		p.Hidden |= holdfast.FactTokenValue
	}
	if s.cert != nil {
		p.PeerCert = s.cert
	} else if p.PeerCert == nil {
		p.Hidden |= holdfast.FactCertificate
	}
	need := s.requirement(g, &p)
	if v := s.verifier(g); v != nil {
		g.report = v.Explain(context.WithValue(ctx, sightKey{}, g), &p, need)
	}
}

// hiddenToken stands for a token whose value is not in the evidence.
const hiddenToken = "hidden"

type sightKey struct{}

// requirement is what the resource wants, as far as the evidence says; what it
// does not say is hidden from the checks.
func (s *scene) requirement(g *sight, p *holdfast.Presentation) holdfast.Requirement {
	need := holdfast.Requirement{Accept: holdfast.AcceptBearerToo}
	p.Hidden |= holdfast.FactIssuers | holdfast.FactAudience | holdfast.FactNeed
	if r := s.resourceOf(g); r != nil {
		need.Audience = []string{r.Resource, strings.TrimSuffix(r.Resource, "/")}
		p.Hidden &^= holdfast.FactAudience
		if len(r.AuthorizationServers) > 0 {
			need.Issuers = r.AuthorizationServers
			p.Hidden &^= holdfast.FactIssuers
		}
	}
	if len(g.said.scope) > 0 && g.said.errorCode == "insufficient_scope" {
		need.Scope = g.said.scope
		p.Hidden &^= holdfast.FactNeed
	}
	return need
}

// resourceOf is the protected-resource metadata of the server of an exchange.
func (s *scene) resourceOf(g *sight) *metadata.Resource {
	var found *metadata.Resource
	for _, r := range s.resources {
		if sameOriginAs(r.Resource, g.origin) {
			if strings.HasPrefix(g.place(), strings.TrimSuffix(r.Resource, "/")) {
				return r
			}
			found = r
		}
	}
	return found
}

func sameOriginAs(raw, origin string) bool {
	return raw == origin || strings.HasPrefix(raw, origin+"/") || strings.HasPrefix(raw, origin+"?")
}

// serverAlgs are the proof algorithms that the server says it accepts.
func (s *scene) serverAlgs(g *sight) []string {
	if len(g.said.algs) > 0 {
		return g.said.algs
	}
	if list := before(s.find.algs[g.origin], g); len(list) > 0 {
		return list[len(list)-1].said.algs
	}
	if list := s.find.algs[g.origin]; len(list) > 0 {
		return list[0].said.algs
	}
	if g.role.atServer() {
		for _, m := range s.servers {
			if len(m.DPoPSigningAlgs) > 0 && (m.TokenEndpoint == g.place() || m.PAREndpoint == g.place() || sameOriginAs(m.TokenEndpoint, g.origin)) {
				return m.DPoPSigningAlgs
			}
		}
		return nil
	}
	if r := s.resourceOf(g); r != nil && len(r.DPoPSigningAlgs) > 0 {
		return r.DPoPSigningAlgs
	}
	return nil
}

var everyAlg = []holdfast.Alg{
	holdfast.ES256, holdfast.ES384, holdfast.ES512, holdfast.PS256, holdfast.PS384, holdfast.PS512,
	holdfast.RS256, holdfast.RS384, holdfast.RS512, holdfast.EdDSA, holdfast.Ed25519,
}

// policy is what the server of an exchange accepts, as far as it is known; a
// list of algorithms that names nothing we know counts as unknown.
func (s *scene) policy(g *sight) (string, holdfast.ProofPolicy) {
	p := s.k.Policy
	p.Nonces, p.Nonce, p.Replays = nil, holdfast.NonceOptional, noReplays{}
	p.Now = func() time.Time { return time.Time{} }
	if len(p.Algs) == 0 {
		for _, a := range s.serverAlgs(g) {
			if slices.Contains(everyAlg, holdfast.Alg(a)) {
				p.Algs = append(p.Algs, holdfast.Alg(a))
			}
		}
	}
	if len(p.Algs) == 0 {
		p.Algs = everyAlg
	}
	var key strings.Builder
	for _, a := range p.Algs {
		key.WriteString(string(a) + " ")
	}
	return key.String(), p
}

// noReplays stands for the replay store of a server that we cannot ask.
type noReplays struct{}

func (noReplays) Use(context.Context, holdfast.ReplayID, time.Time) (bool, error) {
	return false, errors.New("the replay store of the server is not part of the evidence")
}

func (s *scene) prover(g *sight) *holdfast.ProofVerifier {
	key, policy := s.policy(g)
	v, ok := s.provers[key]
	if !ok {
		v, _ = holdfast.NewProofVerifier(policy)
		s.provers[key] = v
	}
	return v
}

func (s *scene) verifier(g *sight) *holdfast.Verifier {
	key, policy := s.policy(g)
	v, ok := s.verifiers[key]
	if !ok {
		v, _ = holdfast.NewVerifier(holdfast.Config{
			Tokens: s, Issuers: []string{"unknown"}, Audience: []string{"unknown"}, Proof: policy, Accept: holdfast.AcceptBearerToo,
			TokenTypes: []string{"at+jwt", "jwt", "", "at", "bearer", "dpop+at+jwt", "access_token"},
		})
		s.verifiers[key] = v
	}
	return v
}

var errOpaque = errors.New("the token is opaque or was removed, and no introspection answer is part of the evidence")

// ReadToken implements [holdfast.TokenReader] over the evidence: the caller's
// reader, the claims of a JWT, or an introspection answer.
func (s *scene) ReadToken(ctx context.Context, raw holdfast.Secret) (*holdfast.Token, error) {
	g, _ := ctx.Value(sightKey{}).(*sight)
	if s.k.Tokens != nil && (g == nil || !g.token.hidden) {
		if t, err := s.k.Tokens.ReadToken(ctx, raw); err == nil {
			return t, nil
		}
	}
	if g != nil && g.token != nil && g.token.hidden {
		if g.token.claims == nil {
			return nil, errOpaque
		}
		b, err := json.Marshal(g.token.claims)
		if err != nil {
			return nil, errOpaque
		}
		return token.FromClaims(text(g.token.header, "typ"), b)
	}
	if g == nil || g.token == nil || g.token.jwt {
		return s.jwt.ReadToken(ctx, raw)
	}
	if s.introspec != nil && s.introspec.token != nil {
		return s.introspec.token, nil
	}
	return nil, errOpaque
}
