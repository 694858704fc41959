package explain

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// What people hash in place of the access token (RFC 9449 section 4.2), and in which form.

func findAthMissing(_ *scene, g *sight) *finding {
	unseen := g.dpop() && g.token != nil && g.token.hidden && g.proof != nil && !g.proof.hidden && g.proof.claims != nil && g.proof.claims["ath"] == nil
	if !g.fails(holdfast.CodeProofAthMissing) && !unseen {
		return nil
	}
	f := found(High, "The request carries an access token, but the proof has no ath claim.").
		computed("claim ath of the proof", "absent", "base64url of SHA-256 of the access token", "proof.ath", "RFC 9449 4.3 (12)")
	for _, n := range [...]string{"at_hash", "aht", "tah", "hat", "ath256", "token_hash"} {
		if _, ok := g.proof.claims[n]; ok {
			f.computed("claim "+n, "present", "ath", "proof.ath", "RFC 9449 4.2")
		}
	}
	return f
}

// athFault compares ath with every value that people hash by mistake.
func (s *scene) athFault(g *sight) (kind, what string, earlier *sight) {
	p, t := g.proof, g.token
	if p == nil || t == nil || p.ath == "" || p.hidden || !t.hasHash || t.broken != "" {
		return "", "", nil
	}
	got := p.ath
	if got == jose.EncodeSegment(t.hash[:]) {
		return "", "", nil
	}
	if form := encodingOf(got, t.hash[:]); form != "" {
		return "encoding", form, nil
	}
	if !t.hidden {
		value := t.raw
		h384, h512 := sha512.Sum384([]byte(value)), sha512.Sum512([]byte(value))
		inner := hex.EncodeToString(t.hash[:])
		again := sha256.Sum256(t.hash[:])
		switch {
		case got == jose.EncodeSegment(h384[:]) || got == jose.EncodeSegment(h512[:]):
			return "other", "SHA-384 or SHA-512 of the token instead of SHA-256", nil
		case got == jose.EncodeSegment(t.hash[:16]) || got == jose.EncodeSegment(t.hash[:16:16]):
			return "other", "the left half of the hash, as at_hash of OpenID Connect", nil
		case hashIs(got, inner) || got == jose.EncodeSegment(again[:]):
			return "other", "the hash of the hash of the token", nil
		}
		for _, c := range [...]struct{ text, what string }{
			{g.scheme + " " + value, "the hash of scheme and token together"},
			{"Bearer " + value, "the hash of \"Bearer \" and the token"},
			{"DPoP " + value, "the hash of \"DPoP \" and the token"},
			{value + "\n", "the hash of the token with a line break"},
			{value + "\r\n", "the hash of the token with a line break"},
			{`"` + value + `"`, "the hash of the token in quotes"},
			{" " + value, "the hash of the token with a blank"},
			{"", "the hash of the empty string"},
		} {
			if hashIs(got, c.text) {
				return "other", c.what, nil
			}
		}
		if i := strings.LastIndexByte(value, '.'); i > 0 && hashIs(got, value[:i]) {
			return "other", "the hash of the token without its signature", nil
		}
	}
	for _, is := range s.issues {
		switch {
		case is.access.id == got:
			return "stale", "the hash of the access token issued before", is.from
		case is.refresh == "sha256="+got:
			return "other", "the hash of the refresh token", is.from
		case is.idToken == "sha256="+got:
			return "other", "the hash of the ID token", is.from
		case is.access.hasHash && encodingOf(got, is.access.hash[:]) != "":
			return "stale", "the hash of the access token issued before", is.from
		}
	}
	if o := s.previous(g, func(o *sight) bool { return o.token != nil && o.token.id == got }); o != nil {
		return "stale", "the hash of an access token used before", o
	}
	return "other", "the hash of no token in the evidence", nil
}

func hashIs(got, value string) bool {
	h := sha256.Sum256([]byte(value))
	return got == jose.EncodeSegment(h[:]) || encodingOf(got, h[:]) != ""
}

// encodingOf recognises a digest in another form than unpadded base64url.
func encodingOf(got string, sum []byte) string {
	hexed := hex.EncodeToString(sum)
	switch {
	case strings.EqualFold(got, hexed):
		return "hex instead of base64url"
	case strings.EqualFold(strings.ReplaceAll(got, ":", ""), hexed):
		return "hex with colons instead of base64url"
	case got == base64.URLEncoding.EncodeToString(sum) && strings.HasSuffix(got, "="):
		return "base64url with padding (=) instead of base64url without padding"
	case got == base64.StdEncoding.EncodeToString(sum):
		return "standard base64 (padded, + and /) instead of base64url"
	case got == base64.RawStdEncoding.EncodeToString(sum) && got != base64.RawURLEncoding.EncodeToString(sum):
		return "the standard base64 alphabet (+ and /) instead of base64url"
	case got == base64.RawURLEncoding.EncodeToString([]byte(hexed)) || got == base64.StdEncoding.EncodeToString([]byte(hexed)) || got == base64.URLEncoding.EncodeToString([]byte(hexed)):
		return "base64 of the hex text instead of base64url of the digest"
	case got == base64.RawURLEncoding.EncodeToString([]byte(strings.ToUpper(hexed))):
		return "base64 of the hex text instead of base64url of the digest"
	case got == base64.RawURLEncoding.EncodeToString([]byte(base64.RawURLEncoding.EncodeToString(sum))):
		return "base64url encoded twice"
	}
	return ""
}

func (s *scene) athFinding(g *sight, kind string, summary func(what string, earlier *sight) string) *finding {
	k, what, earlier := s.athFault(g)
	if k != kind {
		return nil
	}
	return found(High, summary(what, earlier)).heavier(5).
		computed("ath of the proof", g.proof.ath+" ("+what+")", jose.EncodeSegment(g.token.hash[:])+" (base64url of SHA-256 of the sent token)", "proof.ath", "RFC 9449 4.3 (12)")
}

func findAthStale(s *scene, g *sight) *finding {
	return s.athFinding(g, "stale", func(_ string, earlier *sight) string {
		where := "an earlier response"
		if earlier != nil {
			where = fmt.Sprintf("exchange %d", earlier.n)
		}
		return "ath in the proof is the hash of the previous access token (" + where + "), not of the token being sent: it is stale since the refresh."
	})
}

func findAthEncoding(s *scene, g *sight) *finding {
	return s.athFinding(g, "encoding", func(what string, _ *sight) string {
		return "ath in the proof is the right hash in the wrong form: " + what + "."
	})
}

func findAthOther(s *scene, g *sight) *finding {
	return s.athFinding(g, "other", func(what string, _ *sight) string {
		return "ath in the proof is not the hash of the presented token: it is " + what + "."
	})
}
