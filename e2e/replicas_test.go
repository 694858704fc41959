package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/testservers"
)

// replicasOf starts three replicas on one PostgreSQL and one Redis.
func replicasOf(t *testing.T) [3]*replica {
	t.Helper()
	db, cache := testservers.Postgres(t), testservers.Redis(t)
	var rs [3]*replica
	for i := range rs {
		rs[i] = newReplica(t, replicaConfig{
			Store:  "postgres://postgres@" + db.Address + "/postgres?timeout=5s",
			Shared: "redis://" + cache.Address,
		})
	}
	// A replay store that is new accepts nothing for its first two seconds.
	h, turn := newHolder(t), time.NewTicker(100*time.Millisecond)
	defer turn.Stop()
	for range 600 {
		if _, err := h.push(rs[0]); err == nil {
			return rs
		}
		<-turn.C
	}
	t.Fatal("the replicas accept nothing")
	return rs
}

// tell sends a command to the administration of a replica.
func tell(t *testing.T, r *replica, method, path string, body any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	q, err := http.NewRequest(method, "http://"+r.config.Admin+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/json")
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	if a.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s", method, path, a.Status)
	}
}

// must fails the test unless the answer has the status and the error.
func must(t *testing.T, a *answer, err error, status int, oauth string) *answer {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if a.status != status || a.text("error") != oauth {
		t.Fatalf("answer is %d %q, want %d %q", a.status, a.text("error"), status, oauth)
	}
	return a
}

// Three processes on one PostgreSQL and one Redis behave as one server. What one
// of them did the others see at their next request: nothing is cached.
func TestThreeReplicasAreOneServer(t *testing.T) {
	rs := replicasOf(t)
	h := newHolder(t)

	f, err := h.push(rs[0])
	if err != nil {
		t.Fatal(err)
	}
	nonce := h.nonce // of the first
	if err := h.authorize(rs[1], f); err != nil {
		t.Fatalf("a request that was pushed to one replica is not known to another: %v", err)
	}
	target, _ := url.Parse(replicaIssuer + "/token")
	proof, err := h.key.Prove(holdfast.ProofClaims{Method: http.MethodPost, URL: target, Nonce: nonce})
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{
		"grant_type": {"authorization_code"}, "client_id": {replicaApp}, "code": {f.code},
		"redirect_uri": {replicaCallback}, "code_verifier": {f.verifier},
	}
	first, err := h.postProof(rs[2], "/token", form, replicaApp, "", proof)
	first = must(t, first, err, http.StatusOK, "") // the nonce of another replica is current: D-8-09
	again, err := h.postProof(rs[0], "/token", form, replicaApp, "", proof)
	must(t, again, err, http.StatusBadRequest, "invalid_dpop_proof") // a replay on every replica
	if a, err := h.get(rs[0], replicaIssuer+"/authorize?"+url.Values{"client_id": {replicaApp}, "request_uri": {f.handle}}.Encode()); err != nil || errorOf(a.page) != "invalid_request_uri" {
		t.Errorf("a pushed request that one replica has spent is good at another: %v", err) // PAR-4-02
	}

	access := first.text("access_token")
	for i, r := range rs {
		if active, err := h.introspect(r, access); err != nil || !active {
			t.Errorf("replica %d says active is %v, error %v, of a token that another has issued", i, active, err)
		}
	}
	second, err := h.refresh(rs[1], first.text("refresh_token"))
	second = must(t, second, err, http.StatusOK, "")
	tell(t, rs[0], http.MethodPost, "/revoke", map[string]string{"user": "subject-of-alice"})
	a, err := h.refresh(rs[2], second.text("refresh_token"))
	must(t, a, err, http.StatusBadRequest, "invalid_grant")
	for i, r := range rs {
		if active, err := h.introspect(r, access); err != nil || active {
			t.Errorf("replica %d says active is %v, error %v, after another has revoked everything of the person", i, active, err)
		}
	}
}

// A key that is blocked at one replica gets nothing at any other.
func TestBlockedKeyAtEveryReplica(t *testing.T) {
	rs := replicasOf(t)
	h := newHolder(t)
	credentials := url.Values{"grant_type": {"client_credentials"}, "scope": {"read"}}
	for _, r := range rs {
		a, err := h.post(r, "/token", credentials, replicaBatch, batchSecret)
		must(t, a, err, http.StatusOK, "")
	}
	tell(t, rs[1], http.MethodPost, "/blocks", map[string]string{"thumbprint": h.key.Thumbprint().String()})
	for i, r := range rs {
		a, err := h.post(r, "/token", credentials, replicaBatch, batchSecret)
		if err != nil || a.status == http.StatusOK {
			t.Errorf("replica %d serves a blocked key: %v", i, err)
		}
	}
	other := newHolder(t)
	a, err := other.post(rs[0], "/token", credentials, replicaBatch, batchSecret)
	must(t, a, err, http.StatusOK, "")
}

// One code, presented at three replicas by 64 callers at once, is good once; one
// refresh token has one successor, whoever answers.
func TestOneCodeAtThreeReplicas(t *testing.T) {
	rs := replicasOf(t)
	h := newHolder(t)
	f, err := h.push(rs[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := h.authorize(rs[0], f); err != nil {
		t.Fatal(err)
	}
	const callers = 64
	answers := make([]*answer, callers)
	race := func(do func(h *holder, r *replica) (*answer, error)) {
		t.Helper()
		var wg sync.WaitGroup
		failures := make([]error, callers)
		for i := range callers {
			wg.Go(func() {
				own := &holder{t: t, key: h.key, jar: h.jar, nonce: h.nonce} // the same client, many connections
				answers[i], failures[i] = do(own, rs[i%3])
			})
		}
		wg.Wait()
		for i, err := range failures {
			if err != nil {
				t.Fatalf("caller %d: %v", i, err)
			}
		}
	}
	race(func(h *holder, r *replica) (*answer, error) { return h.redeem(r, f) })
	var won []*answer
	for _, a := range answers {
		if a.status == http.StatusOK {
			won = append(won, a)
		} else if a.text("error") != "invalid_grant" {
			t.Errorf("a loser got %d %q, want invalid_grant", a.status, a.text("error"))
		}
	}
	if len(won) != 1 {
		t.Fatalf("one code was redeemed %d times", len(won))
	}

	// The second use of the code has revoked what came of it: another grant.
	if f, err = h.push(rs[1]); err == nil {
		err = h.authorize(rs[1], f)
	}
	if err != nil {
		t.Fatal(err)
	}
	granted, err := h.redeem(rs[2], f)
	spent := must(t, granted, err, http.StatusOK, "").text("refresh_token")
	race(func(h *holder, r *replica) (*answer, error) { return h.refresh(r, spent) })
	successors := map[string]int{}
	for _, a := range answers {
		if a.status != http.StatusOK {
			t.Fatalf("a refresh got %d %q", a.status, a.text("error"))
		}
		successors[a.text("refresh_token")]++
	}
	if len(successors) != 1 || successors[""] != 0 {
		t.Errorf("one refresh token has %d successors", len(successors))
	}
	for token := range successors {
		a, err := h.refresh(rs[0], token)
		must(t, a, err, http.StatusOK, "")
	}
}

// A disk that is full gives 503, and nothing is lost when there is space again.
func TestFullDisk(t *testing.T) {
	r := newReplica(t, replicaConfig{Store: "bbolt://" + t.TempDir() + "/as.db"})
	h := newHolder(t)
	f, err := h.push(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.authorize(r, f); err != nil {
		t.Fatal(err)
	}
	granted, err := h.redeem(r, f)
	token := must(t, granted, err, http.StatusOK, "").text("refresh_token")
	for range 3 {
		r.tell("full")
		if _, err := h.push(r); err != errAway {
			t.Errorf("push to a full disk: %v, want a 503", err)
		}
		if _, err := h.refresh(r, token); err != errAway {
			t.Errorf("refresh on a full disk: %v, want a 503", err)
		}
		r.tell("space")
		a, err := h.refresh(r, token)
		token = must(t, a, err, http.StatusOK, "").text("refresh_token")
	}
	r.kill()
	r.start()
	a, err := h.refresh(r, token)
	must(t, a, err, http.StatusOK, "")
	if again, err := h.redeem(r, f); err != nil || again.status == http.StatusOK {
		t.Error(fmt.Errorf("a code was redeemed twice: %w", err))
	}
}
