package main

import (
	"crypto/sha256"
	"encoding/hex"
)

var grantCasesC = []func() *scene{cRefreshSpent, cPKCEHex, cCodeOtherKey, cRefreshTwice, cRefreshOtherKey}

func cRefreshSpent() *scene {
	s := newScene("c13", "Each night one session is ended as if it were stolen", "AS with rotation that spends the refresh token before it looks at the proof", "2026-07-03T02:00:00Z")
	k := s.newKey("ES256")
	target := "https://auth.almanac.example/oauth/token"
	refresh, n := s.hide("refresh_token", "rt-", 36), s.value(19)
	body := form("grant_type", "refresh_token", "client_id", "night-job", "refresh_token", refresh)
	a := s.grantCall(0, target, body, proof{key: k}).answer(400, oauthError("use_dpop_nonce", needNonce), noStore, "DPoP-Nonce: "+n)
	b := s.grantCall(0.5, target, body, proof{key: k, nonce: n}).answer(400, oauthError("invalid_grant", "Refresh token was already used. All sessions of this family are ended."), noStore)
	s.addBundle([]*exchange{a, b}, member{"client", object{{"concurrency", 1}, {"token_cache", "file, one writer"}, {"current_key_jkt", k.jkt()}}})
	s.fails("grant-consumed-by-nonce-challenge", "high", 2)
	s.orElse("grant-invalid")
	s.notThese("refresh-token-replayed", "refresh-key-mismatch", "proof-reused-on-retry", "nonce-challenge-unhandled")
	s.fact("refresh")
	s.fact("use_dpop_nonce", "challenge")
	s.fix("before consuming", "not consume", "without consuming", "before the grant", "judge the proof", "carry a nonce", "from an earlier", "consum", "nonce first")
	return s
}

func cPKCEHex() *scene {
	s := newScene("c14", "A code is refused right after a nonce round trip", "PAR with nonces, Lua client with a hash function that returns hexadecimal", "2026-07-16T11:11:00Z")
	k := s.newKey("ES384")
	host := "https://id.wharf.example"
	code, verifier := s.hide("authorization_code", "", 26), s.hide("code_verifier", "", 33)
	sum := sha256.Sum256([]byte(verifier))
	n1, n2, state := s.value(12), s.value(12), s.value(8)
	body := form("client_id", "wharf-pos", "response_type", "code", "redirect_uri", "https://pos.wharf.example/cb", "scope", "till", "code_challenge", hex.EncodeToString(sum[:]), "code_challenge_method", "S256")
	uri := "urn:ietf:params:oauth:request_uri:" + s.value(10)
	list := []*exchange{
		s.grantCall(0, host+"/par", body, proof{key: k}).answer(400, oauthError("use_dpop_nonce", needNonce), noStore, "DPoP-Nonce: "+n1),
		s.grantCall(0.4, host+"/par", body, proof{key: k, nonce: n1}).answer(201, object{{"request_uri", uri}, {"expires_in", 60}}.String(), noStore, "DPoP-Nonce: "+n2),
		call(s.at(1), "GET", host+"/authorize?"+form("client_id", "wharf-pos", "request_uri", uri, "state", state), "").answer(302, "", "Location: https://pos.wharf.example/cb?code="+code+"&state="+state),
		s.grantCall(9, host+"/token", form("grant_type", "authorization_code", "client_id", "wharf-pos", "code", code, "code_verifier", verifier, "redirect_uri", "https://pos.wharf.example/cb"), proof{key: k, nonce: n2}).
			answer(400, oauthError("invalid_grant", "The authorization code cannot be used"), noStore),
	}
	s.addTranscript("till.txt", list...)
	s.fails("grant-invalid", "high", 4)
	s.notThese("grant-consumed-by-nonce-challenge", "code-key-mismatch", "nonce-expired", "nonce-challenge-unhandled")
	s.fact("PKCE", "code_challenge", "code_verifier", "verifier")
	s.fact("invalid_grant", "hex", hex.EncodeToString(sum[:]))
	s.fix("start again", "start over", "new authorization", "new code", "base64url", "matching", "same verifier", "log in again")
	return s
}

func cCodeOtherKey() *scene {
	s := newScene("c15", "The wallet is told that its code was spent", "Issuer with PAR, wallet that makes a key per request", "2026-07-29T15:00:00Z")
	k1, k2 := s.newKey("ES256"), s.newKey("ES256")
	host := "https://issuer.diploma.example"
	code, verifier := s.hide("authorization_code", "", 24), s.hide("code_verifier", "", 32)
	n1, n2 := s.value(14), s.value(14)
	push := form("client_id", "wallet", "response_type", "code", "redirect_uri", "https://wallet.example/cb", "scope", "diploma", "code_challenge", pkce(verifier), "code_challenge_method", "S256")
	redeem := form("grant_type", "authorization_code", "client_id", "wallet", "code", code, "code_verifier", verifier, "redirect_uri", "https://wallet.example/cb")
	list := []*exchange{
		s.grantCall(0, host+"/par", push, proof{key: k1}).answer(400, oauthError("use_dpop_nonce", needNonce), noStore, "DPoP-Nonce: "+n1),
		s.grantCall(1, host+"/par", push, proof{key: k1, nonce: n1}).answer(201, `{"request_uri":"urn:ietf:params:oauth:request_uri:`+s.value(9)+`","expires_in":90}`, noStore, "DPoP-Nonce: "+n2),
		s.grantCall(21, host+"/token", redeem, proof{key: k2, nonce: n2}).answer(400, oauthError("invalid_grant", "code is unknown, expired or already redeemed"), noStore),
	}
	s.addHAR("wallet.har", "mitmproxy", "12.1", list...)
	s.fails("code-key-mismatch", "high", 3)
	s.notThese("grant-consumed-by-nonce-challenge", "grant-invalid", "refresh-key-mismatch", "nonce-expired")
	s.fact(k1.jkt())
	s.fact(k2.jkt())
	s.fix("same key", "once per login", "one key", "keep the key", "read the key once")
	return s
}

func cRefreshTwice() *scene {
	s := newScene("c16", "Two browser tabs sign each other out", "AS that answers every refused refresh with its sender-constraint text, SPA", "2026-08-06T10:06:00Z")
	as, k := s.newKey("ES512").named("tab-1"), s.newKey("ES256")
	target, origin := "https://sso.pavilion.example/connect/token", "https://desk.pavilion.example"
	r1, r2 := s.hide("refresh_token", "", 33), s.hide("refresh_token", "", 33)
	token := s.token(as, grant{iss: "https://sso.pavilion.example", aud: "desk", scope: "desk", issued: s.at(0), bound: k})
	post := func(at float64) *exchange {
		return s.grantCall(at, target, form("grant_type", "refresh_token", "client_id", "desk", "refresh_token", r1), proof{key: k}, "Origin: "+origin, firefox)
	}
	cors := "Access-Control-Allow-Origin: " + origin
	a := post(0).answer(200, tokenReply(token, "DPoP", 3600, member{"refresh_token", r2}), noStore, cors)
	b := post(0.9).answer(400, oauthError("invalid_grant", "Sender constraint validation failed for refresh token"), noStore, cors)
	s.addHAR("tabs.har", "Firefox", "147.0", overH2(a, b)...)
	s.fails("refresh-token-replayed", "high", 2)
	s.notThese("refresh-key-mismatch", "binding-key-mismatch", "grant-consumed-by-nonce-challenge", "proof-reused-on-retry")
	s.fact("refresh")
	s.fact("twice", "again", "replay", "already used", "rotated", "second time", "reuse", "same refresh token")
	s.fix("single flight", "one at a time", "atomic", "lock", "store the new", "serial", "newest")
	return s
}

func cRefreshOtherKey() *scene {
	s := newScene("c17", "A new build of the app ends all sessions as reused", "Public client, AS that names reuse for every unknown refresh token", "2026-08-24T04:24:00Z")
	as, one, two := s.newKey("EdDSA").named("b-7"), s.newKey("ES384"), s.newKey("ES256")
	target := "https://auth.trellis.example/token"
	code, verifier := s.hide("authorization_code", "", 22), s.hide("code_verifier", "", 32)
	refresh := s.hide("refresh_token", "", 38)
	token := s.token(as, grant{iss: "https://auth.trellis.example", aud: "https://api.trellis.example", scope: "beds", issued: s.at(0), life: 600, bound: one})
	a := s.grantCall(0, target, form("grant_type", "authorization_code", "client_id", "trellis-app", "code", code, "code_verifier", verifier, "redirect_uri", "com.trellis:/cb"), proof{key: one}, "User-Agent: trellis/4.1").
		answer(200, tokenReply(token, "DPoP", 600, member{"refresh_token", refresh}), noStore)
	b := s.grantCall(590, target, form("grant_type", "refresh_token", "client_id", "trellis-app", "refresh_token", refresh), proof{key: two}, "User-Agent: trellis/4.2").
		answer(400, oauthError("invalid_grant", "Token reuse detected"), noStore)
	s.addRaw("", a)
	s.addRaw("", b)
	s.seenAfter(700)
	s.fails("refresh-key-mismatch", "high", 2)
	s.orElse("binding-key-mismatch")
	s.notThese("refresh-token-replayed", "grant-invalid", "token-revoked", "key-regenerated-token-cached")
	s.fact(one.jkt())
	s.fact(two.jkt())
	s.fix("keep the key", "same key", "new authorization", "log in again", "original key", "sign in again", "authorize again")
	return s
}
