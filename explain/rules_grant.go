package explain

import (
	"fmt"
	"strings"
	"time"
)

// Refusals of the token endpoint that are not about the proof.

func findRefreshReplayed(s *scene, g *sight) *finding {
	if g.role != roleToken {
		return nil
	}
	kind, value := g.grant()
	if kind != "refresh_token" {
		return nil
	}
	if value == "" {
		if g.said.topics&topicRefreshReuse != 0 && g.said.errorCode == "invalid_grant" {
			return found(Low, "The server says that the refresh token was used before.").stated("the server said", g.said.quote())
		}
		return nil
	}
	first := s.previous(g, func(o *sight) bool {
		k, v := o.grant()
		return o.role == roleToken && k == "refresh_token" && v == value && (o.ok || o.x.Status == 0)
	})
	if first == nil {
		return nil
	}
	if g.jkt() != "" && first.jkt() != "" && g.jkt() != first.jkt() {
		return nil
	}
	f := found(High, fmt.Sprintf("The refresh token was used twice: exchange %d already spent it (it was rotated there), exchange %d is a replay.", first.n, g.n)).heavier(20).
		computed("refresh token of the request", fmt.Sprintf("the same value as in exchange %d, which succeeded", first.n), "the newest refresh token", "", "RFC 6749 10.4")
	if first.x.Status == 0 {
		f.conf = Medium
		f.computed("answer of the first use", "lost: the client never saw the new refresh token", "", "", "")
	}
	if g.proof != nil && first.proof != nil && g.proof.raw != first.proof.raw {
		f.computed("proofs of the two requests", "valid and different (same key "+g.jkt()+")", "", "", "")
	}
	return f.stated("the server said", g.said.quote())
}

func findGrantInvalid(s *scene, g *sight) *finding {
	if g.role != roleToken && g.role != rolePAR {
		return nil
	}
	if g.said.errorCode != "invalid_grant" {
		return nil
	}
	kind, value := g.grant()
	f := found(Medium, "The authorization server refuses the grant (invalid_grant), and the proof has no fault that explains it.").stated("the server said", g.said.quote())
	if !s.noProofTrouble(g) || strings.Contains(strings.ToLower(g.said.description), "dpop") {
		f.conf = Low // the words are about the proof
	}
	if value != "" && kind == "code" {
		if o := s.previous(g, func(o *sight) bool { k, v := o.grant(); return k == kind && v == value && o.ok }); o != nil {
			f.conf = High
			f.heavier(5)
			f.summary = fmt.Sprintf("The authorization code was already redeemed in exchange %d; a code can be used once.", o.n)
			f.computed("authorization code of the request", fmt.Sprintf("the same as in exchange %d, which succeeded", o.n), "a code that was not used", "", "RFC 6749 4.1.2")
		}
	}
	if o := s.authorizationOf(g); o != nil {
		get := func(n string) string {
			if v := o.form.Get(n); v != "" {
				return v
			}
			return o.url.Query().Get(n)
		}
		if v, want := g.form.Get("code_verifier"), get("code_challenge"); v != "" && want != "" && identity(v) != "" && !marked(want) {
			hash := strings.TrimPrefix(identity(v), "sha256=")
			if m := get("code_challenge_method"); (m == "S256" || m == "") && hash != want && v != want {
				f.conf = High
				f.heavier(10)
				f.summary = fmt.Sprintf("PKCE fails: code_verifier does not hash to the code_challenge of exchange %d.", o.n)
				f.computed("PKCE: code_challenge from code_verifier", hash, want, "", "RFC 7636 4.6")
			}
		}
		if a, b := g.form.Get("redirect_uri"), get("redirect_uri"); a != "" && b != "" && a != b {
			f.conf = High
			f.heavier(10)
			f.summary = "redirect_uri of the token request is not that of the authorization request."
			f.computed("redirect_uri", a, b, "", "RFC 6749 4.1.3")
		}
		if !o.at.IsZero() && g.at.Sub(o.at) > 5*time.Minute {
			f.computed("time between authorization and token request", g.at.Sub(o.at).Round(time.Second).String(), "codes live for a minute or so (at most 10 minutes)", "", "RFC 6749 4.1.2")
		}
	}
	return f
}

// authorizationOf finds the authorization or pushed request before a token
// request of the same client.
func (s *scene) authorizationOf(g *sight) *sight {
	return s.previous(g, func(o *sight) bool {
		if o.role != rolePAR && o.role != roleAuthorization {
			return false
		}
		id := o.form.Get("client_id")
		if id == "" {
			id = o.url.Query().Get("client_id")
		}
		has := o.form.Has("code_challenge") || o.url.Query().Has("code_challenge") || o.form.Has("redirect_uri") || o.url.Query().Has("redirect_uri")
		return has && (id == "" || g.form.Get("client_id") == "" || id == g.form.Get("client_id"))
	})
}

func findClientAuth(s *scene, g *sight) *finding {
	if !g.role.atServer() && g.role != roleIntrospection && g.role != roleRevocation {
		return nil
	}
	if g.said.errorCode != "invalid_client" && !(g.x.Status == 401 && g.said.topics&topicClientAuth != 0 && g.said.errorCode != "invalid_dpop_proof" && g.said.errorCode != "use_dpop_nonce") {
		return nil
	}
	f := found(Medium, "The client authentication was refused (invalid_client): the failure concerns the client's secret or assertion, not the proof.").stated("the server said", g.said.quote())
	if !s.noProofTrouble(g) {
		f.conf = Low
	}
	if a := g.form.Get("client_assertion"); a != "" {
		if f.conf == Medium {
			f.conf = High
		}
		t := readLooseToken(a)
		f.computed("client_assertion", "used for the first time in this capture", "", "", "RFC 7523 3")
		if aud := stringsOf(t.claims["aud"]); len(aud) > 0 {
			f.computed("aud of the client assertion", strings.Join(aud, " "), "the issuer of the authorization server"+s.issuerName(g), "", "RFC 7523 3")
		}
		if exp, ok := number(t.claims["exp"]); ok && !g.at.IsZero() && g.at.After(time.Unix(exp, 0)) {
			f.computed("exp of the client assertion", time.Unix(exp, 0).UTC().Format(time.RFC3339), "after "+g.at.UTC().Format(time.RFC3339), "", "RFC 7523 3")
		}
		if iss, id := text(t.claims, "iss"), g.form.Get("client_id"); iss != "" && id != "" && iss != id {
			f.computed("iss of the client assertion", iss, id, "", "RFC 7523 3")
		}
	}
	if s.proofFine(g) {
		f.computed("the DPoP proof of the request", "sound", "", "", "")
	}
	return f
}

func (s *scene) issuerName(g *sight) string {
	for _, m := range s.servers {
		if sameOriginAs(m.TokenEndpoint, g.origin) {
			return ": " + m.Issuer
		}
	}
	return " or " + g.place()
}
