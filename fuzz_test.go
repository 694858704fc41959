package holdfast

import (
	"crypto"
	"crypto/sha256"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// fuzzKeys are loaded once per process: a fuzz worker is called often.
type fuzzKeys struct {
	signers []crypto.Signer
	algs    []jose.Alg
	jwks    []string
	thumbs  []Thumbprint
	nonces  *Nonces
	clock   time.Time
}

func newFuzzKeys(t testing.TB) *fuzzKeys {
	k := &fuzzKeys{}
	for _, name := range []string{"k1", "k2", "ed25519"} {
		s := readTestSigner(t, name)
		pub, err := jose.NewPublicKey(s.Public())
		if err != nil {
			t.Fatal(err)
		}
		k.signers, k.algs = append(k.signers, s), append(k.algs, pub.Algs()[0])
		k.jwks, k.thumbs = append(k.jwks, pub.JWK()), append(k.thumbs, pub.Thumbprint())
	}
	var err error
	if k.nonces, err = NewNonces(NonceConfig{Keys: [][]byte{testNonceKey(t)}, Now: func() time.Time { return k.clock }}); err != nil {
		t.Fatal(err)
	}
	return k
}

// nonceAged returns one of our nonces that is that old.
func (k *fuzzKeys) nonceAged(t testing.TB, age time.Duration) string {
	k.clock = testTime.Add(-age)
	defer func() { k.clock = testTime }()
	n, _ := k.nonces.Issue(t.Context())
	return n
}

// dice hands out small numbers from a seed.
type dice uint64

func (b *dice) next(n uint64) int {
	v := uint64(*b) % n
	*b /= dice(n)
	return int(v)
}

// fuzzToken draws the facts of a token from a seed; 0 is one that is accepted.
func (k *fuzzKeys) token(seed dice) Token {
	tok := Token{Audience: []string{"https://api.example"}, Scope: []string{"read"}, ClientID: "app"}
	tok.State = []TokenState{TokenAuthentic, TokenUnknown, TokenMalformed, TokenUnknownKey, TokenBadSignature, TokenInactive, 9}[seed.next(7)]
	tok.Typed = seed.next(2) == 0
	tok.Type = []string{"at+jwt", "JWT", "AT+jwt"}[seed.next(3)]
	tok.Issuer = []string{"https://as.example", "", "https://evil.example"}[seed.next(3)]
	if seed.next(4) == 3 {
		tok.Audience = nil
	}
	switch seed.next(8) {
	case 0:
		tok.Confirmation.JKT = k.thumbs[0]
	case 1:
		tok.Confirmation.JKT = k.thumbs[1]
	case 2:
		tok.Confirmation.JKT = k.thumbs[2]
	case 3:
	case 4:
		tok.Confirmation.Unsupported = true
	case 5:
		tok.Confirmation.X5T = k.thumbs[0]
	default:
		tok.Confirmation.JKT, tok.Confirmation.X5T = k.thumbs[0], k.thumbs[1]
	}
	tok.Expires = []time.Time{testTime.Add(time.Hour), {}, testTime.Add(-5 * time.Second), testTime.Add(-time.Minute)}[seed.next(4)]
	if seed.next(4) == 3 {
		tok.NotBefore = testTime.Add(time.Minute)
	}
	tok.ACR = []string{"phr", ""}[seed.next(2)]
	tok.AuthTime = []time.Time{testTime.Add(-time.Minute), {}}[seed.next(2)]
	return tok
}

// policy draws a policy from a seed; 0 is the default.
func (k *fuzzKeys) policy(seed dice, atServer bool) ProofPolicy {
	p := ProofPolicy{}
	if mode := seed.next(4); mode != 0 || atServer {
		p.Nonces, p.Nonce = k.nonces, NonceMode(mode)
	}
	p.Algs = [][]Alg{nil, {ES256}, {EdDSA}, {RS256}}[seed.next(4)]
	p.MaxAge = []time.Duration{0, 300 * time.Second, time.Second}[seed.next(3)]
	p.Skew = []time.Duration{0, 300 * time.Second, time.Second}[seed.next(3)]
	p.Realm = []string{"", "r"}[seed.next(2)]
	switch seed.next(6) {
	case 1:
		p.Replays = stubReplays{err: CodeServerReplayFull}
	case 2:
		p.Replays = stubReplays{since: testTime.Add(-30 * time.Second)}
	case 3:
		p.Replays = stubReplays{sinceErr: CodeServerReplay}
	}
	return p
}

// proof puts the places @jwk, @ath, @nonce, @old and @iat into header and
// claims, and signs.
func (k *fuzzKeys) proof(t testing.TB, token, header, claims string, sign uint8, iat int32) string {
	key := int(sign) % 3
	sum := sha256.Sum256([]byte(token))
	places := strings.NewReplacer(
		"@jwk", k.jwks[key], "@k2", k.jwks[1], "@ath", jose.EncodeSegment(sum[:]), "@iat", strconv.FormatInt(testTime.Unix()+int64(iat), 10),
		"@nonce", k.nonceAged(t, time.Minute), "@old", k.nonceAged(t, time.Hour),
	)
	header, claims = jose.EncodeSegment([]byte(places.Replace(header))), places.Replace(claims)
	signed, err := jose.SignSegments(k.signers[key], k.algs[key], header, claims)
	if err != nil {
		t.Fatal(err)
	}
	cut := strings.LastIndexByte(signed, '.')
	switch sign / 3 % 4 {
	case 1: // not signed
		return signed[:cut+1] + strings.Repeat("A", 86)
	case 2: // damaged
		return signed[:cut+9] + flip(signed[cut+9]) + signed[cut+10:]
	}
	return signed
}

const (
	fuzzHeader = `{"typ":"dpop+jwt","alg":"ES256","jwk":@jwk}`
	fuzzClaims = `{"jti":"1","htm":"GET","htu":"https://api.example/a","iat":@iat,"ath":"@ath"}`
)

func FuzzVerifyAgreesWithExplain(f *testing.F) {
	type seed struct {
		method, url, authorization, query, header, claims, raw string
		sign, shape                                            uint8
		iat                                                    int32
		token, policy, need                                    uint64
	}
	usual := seed{method: "GET", url: "https://api.example/a", authorization: "DPoP " + fixtureToken, header: fuzzHeader, claims: fuzzClaims}
	vary := func(change func(*seed)) {
		s := usual
		change(&s)
		f.Add(s.method, s.url, s.authorization, s.query, s.header, s.claims, s.raw, s.sign, s.shape, s.iat, s.token, s.policy, s.need)
	}
	vary(func(*seed) {})
	for shape := range uint8(16) {
		vary(func(s *seed) { s.shape = shape })
	}
	for sign := range uint8(9) {
		vary(func(s *seed) { s.sign = sign })
	}
	for _, n := range []uint64{1, 2, 3, 7, 14, 42, 126, 504, 1008, 4032, 16128, 1 << 20, 1<<63 + 17} {
		vary(func(s *seed) { s.token = n })
		vary(func(s *seed) { s.policy = n })
		vary(func(s *seed) { s.need = n })
		vary(func(s *seed) { s.policy, s.shape = n, 1 })
	}
	for _, header := range []string{`{}`, `{"typ":"dpop+jwt","alg":"EdDSA","jwk":@jwk}`, `{"typ":"JWT","alg":"none"}`, `{"typ":"dpop+jwt","alg":"ES256","jwk":@k2,"crit":[]}`} {
		vary(func(s *seed) { s.header = header })
	}
	for _, claims := range []string{
		`{}`, `{"jti":"1","htm":"GET","htu":"https://API.example:443/a?x","iat":@iat,"ath":"@ath","nonce":"@nonce"}`,
		`{"jti":"1","htm":"GET","htu":"https://api.example/a","iat":@iat,"nonce":"@old"}`, `{"jti":"1","jti":"2"}`,
	} {
		vary(func(s *seed) { s.claims = claims })
		vary(func(s *seed) { s.claims, s.policy = claims, 2 })
		vary(func(s *seed) { s.claims, s.policy, s.iat = claims, 3, -7200 })
	}
	for _, iat := range []int32{-61, -60, 10, 11, 1 << 30, -1 << 31} {
		vary(func(s *seed) { s.iat = iat })
	}
	for _, a := range []string{"", "Basic x", "Bearer " + fixtureToken, "bearer x", "DPoP", "DPoP  a=", "dpop a b"} {
		vary(func(s *seed) { s.authorization = a })
	}
	vary(func(s *seed) { s.raw, s.shape = "a.b.c", 2 })
	vary(func(s *seed) { s.query = "x" })
	vary(func(s *seed) { s.url = "" })

	k := newFuzzKeys(f)
	f.Fuzz(func(t *testing.T, method, url, authorization, query, header, claims, raw string, sign, shape uint8, iat int32, token, policy, need uint64) {
		k.clock = testTime
		atServer := shape&1 != 0
		p := &Presentation{Method: method, URL: url}
		if shape&8 == 0 {
			p.Authorization = []Secret{NewSecret(authorization)}
		}
		if query != "" {
			p.Query = []Secret{NewSecret(query)}
		}
		switch shape >> 1 & 3 {
		case 0:
			p.Proofs = []Secret{NewSecret(k.proof(t, splitAuthorization(authorization).token, header, claims, sign, iat))}
		case 1:
			p.Proofs = []Secret{NewSecret(raw)}
		case 2:
			p.Proofs = []Secret{NewSecret(raw), NewSecret(raw)}
		}
		n, b := dice(need), dice(need>>32)
		req := Requirement{Accept: Acceptance(n.next(4)), AnyScope: n.next(2) == 1}
		req.Scope = [][]string{nil, {"read"}, {"write"}, {"read", "write"}}[n.next(4)]
		req.ACR = [][]string{nil, {"phr"}, {"other"}}[n.next(3)]
		req.MaxAge = []time.Duration{0, time.Hour, time.Second}[n.next(3)]
		pn := ProofNeed{Required: n.next(2) == 1}
		for _, at := range []**Thumbprint{&pn.Code, &pn.Refresh, &pn.Pushed} {
			if i := b.next(4); i > 0 {
				*at = &k.thumbs[i-1]
			}
		}
		build := func() (*Verifier, *ProofVerifier) {
			clock := testTime.Add(-time.Hour)
			pol := k.policy(dice(policy), atServer)
			pol.Now = func() time.Time { return clock }
			c := Config{
				Tokens: &stubTokens{token: k.token(dice(token))}, Issuers: []string{"https://as.example"}, Audience: []string{"https://api.example"},
				Proof: pol, Accept: Acceptance(policy >> 40 % 3),
			}
			if policy>>44&3 != 0 {
				c.Blocks = []BlockList{nil, stubBlocks{}, stubBlocks{blocked: true}, stubBlocks{err: CodeServerBlocks}}[policy>>44&3]
			}
			defer func() { clock = testTime }()
			if atServer {
				v, err := NewProofVerifier(pol)
				if err != nil {
					t.Fatal(err)
				}
				return nil, v
			}
			v, err := NewVerifier(c)
			if err != nil {
				t.Fatal(err)
			}
			return v, nil
		}
		rv, sv := build()
		var r, again *Report
		var first, second error
		if atServer {
			r = sv.Explain(t.Context(), p, pn)
			_, first = sv.Verify(t.Context(), p, pn)
			again = sv.Explain(t.Context(), p, pn)
			_, second = sv.Verify(t.Context(), p, pn)
		} else {
			r = rv.Explain(t.Context(), p, req)
			_, first = rv.Verify(t.Context(), p, req)
			again = rv.Explain(t.Context(), p, req)
			_, second = rv.Verify(t.Context(), p, req)
			ov, _ := build()
			a, code, err := ov.Observe(t.Context(), p, req)
			if code != CodeOf(first) || (a == nil) == (err == nil) {
				t.Fatalf("Observe %v with %v and %v, Verify %v", code, a, err, first)
			}
		}
		for _, x := range []struct {
			r   *Report
			err error
		}{{r, first}, {again, second}} {
			if want := firstFailure(x.r); CodeOf(x.err) != want || x.r.Code != want || (x.r.Verdict == Pass) != (want == CodeOK) {
				t.Fatalf("Verify %v, report %v (%v), first failure %v\n%s", x.err, x.r.Verdict, x.r.Code, want, reportText(x.r))
			}
		}
		if len(p.Proofs) == 1 {
			rv, sv := build()
			var third error
			if atServer {
				warm(&sv.engine, p.Proofs[0].s)
				_, third = sv.Verify(t.Context(), p, pn)
			} else {
				warm(&rv.engine, p.Proofs[0].s)
				_, third = rv.Verify(t.Context(), p, req)
			}
			if CodeOf(third) != CodeOf(first) {
				t.Fatalf("Verify %v, with a known header %v", first, third)
			}
		}
		for _, o := range r.Outcomes {
			if len(o.Got) > 2048 || len(o.Want) > 2048 || keepRunes(o.Got, isPrintable) != o.Got || keepRunes(o.Want, isPrintable) != o.Want {
				t.Fatalf("%s shows %q, want %q", o.Check, o.Got, o.Want)
			}
		}
	})
}

func isPrintable(c byte) bool { return c >= 0x20 && c <= 0x7e }

func FuzzChallenge(f *testing.F) {
	for _, p := range readPublished(f, "challenge") {
		f.Add(p.Field, "DPoP", "realm", "a b", 5)
	}
	for _, s := range []string{
		"", ",", "DPoP", "Bearer, DPoP algs=\"ES256\"", `Negotiate abc==, DPoP error="x"`, `DPoP realm=, error=x`, `DPoP error="a\"b\\c"`,
		`DPoP error="unterminated`, "a=b, c", `DPoP max_age=5, max_age=6`, `DPoP error="x" DPoP`, "DPoP scope=\"\u00e9 a\"", `X y="\`, "=\"",
	} {
		f.Add(s, "DP\r\noP", "a\r\nSet-Cookie: x", "\" , Basic realm=\"", -1)
	}
	f.Fuzz(func(t *testing.T, field, scheme, realm, words string, age int) {
		parsed := ParseChallenges([]string{field})
		for _, c := range parsed {
			checkChallenge(t, c)
		}
		if text := FormatChallenges(parsed...); FormatChallenges(ParseChallenges([]string{text})...) != text && len(text) <= MaxChallengeBytes {
			t.Fatalf("%q is read back as %q", text, FormatChallenges(ParseChallenges([]string{text})...))
		}
		checkChallenge(t, Challenge{
			Scheme: scheme, Realm: realm, Error: field, Description: words, Scope: []string{words, realm}, Algs: strings.Fields(words),
			ACR: []string{field}, MaxAge: &age, ResourceMetadata: realm,
		})
	})
}

// checkChallenge: the text of a challenge is one field value of one challenge,
// whatever is in it, and reading it back gives the same text.
func checkChallenge(t *testing.T, c Challenge) {
	t.Helper()
	text := c.String()
	if keepRunes(text, isPrintable) != text {
		t.Fatalf("%+v is written as %q", c, text)
	}
	if text == "" || len(text) > MaxChallengeBytes {
		return
	}
	back := ParseChallenges([]string{text})
	if len(back) != 1 || back[0].String() != text {
		t.Fatalf("%+v is written as %q and read back as %+v", c, text, back)
	}
	if again := ParseChallenges([]string{back[0].String()}); !reflect.DeepEqual(again, back) {
		t.Fatalf("%+v is read back as %+v", back, again)
	}
}

func FuzzSplitAuthorization(f *testing.F) {
	for _, s := range []string{"", "DPoP", "DPoP x", "dpop  a==", "Bearer a b", "Basic x", "DPoP =", "bearer\ta", "DPoP " + fixtureToken} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := splitAuthorization(s)
		if p.scheme == SchemeUnknown {
			if p != (presented{}) {
				t.Fatalf("%q gives %+v", s, p)
			}
			return
		}
		if p.bad {
			return
		}
		canonical := p.scheme.String() + " " + p.token
		if again := splitAuthorization(canonical); again != p {
			t.Fatalf("%q gives %+v, %q gives %+v", s, p, canonical, again)
		}
		if p.token == "" || len(p.token) > MaxTokenBytes || strings.ContainsAny(p.token, " \t,\"\r\n") {
			t.Fatalf("%q gives the token %q", s, p.token)
		}
	})
}

func FuzzNormalizeURI(f *testing.F) {
	for _, p := range readPublished(f, "htu_compare") {
		f.Add(p.Claim)
		f.Add(p.Request)
	}
	for _, s := range []string{
		"https://h:443:443/", "https://h::/", "https://[::1]:443/a", "https://[::1]", "https://@h/", "HTTP://H:80/%2e%2E/%zz", "https://h//a/../b/.",
		"://h/", "https://K/", "https://h/%252e%", "https://h:08/", "x+y-z.1://h", "https://]:1/", "https://h/..", "https://[a]b:443/",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := normalizeURI(s)
		if !ok {
			if n != "" {
				t.Fatalf("%q gives %q, not ok", s, n)
			}
			return
		}
		if again, ok := normalizeURI(n); again != n || !ok {
			t.Fatalf("%q gives %q, which gives %q, %v", s, n, again, ok)
		}
		if q, _ := normalizeURI(s + "?x#y"); q != n && !strings.ContainsAny(s, "?#") {
			t.Fatalf("%q gives %q, with a query %q", s, n, q)
		}
		if o := originOf(n); !strings.HasPrefix(n, o+"/") || strings.Count(o, "/") != 2 {
			t.Fatalf("the origin of %q is %q", n, o)
		}
	})
}
