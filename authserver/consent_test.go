package authserver

import (
	"testing"
)

func TestSomebodyLogsInAllowsAndTheClientGetsItsTokens(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	page := alice.open(asking(webID)).shows(200, "Log in", "autocomplete=\"current-password\"")
	page = alice.logIn(page, "alice").shows(200, webID, "app.example", "read", "https://api.example", "alice")
	q := alice.submit(page, pathConsent, form("decision", "allow")).answered(testCallback)
	if q.Get("code") == "" || q.Get("state") != "state-1" || q.Get("iss") != ts.config.Issuer {
		t.Errorf("the answer is %v, want code, state and iss", q)
	}
}
