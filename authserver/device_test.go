package authserver

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/store"
)

// startsDevice asks for a device code and returns the answer.
func (ts *testServer) startsDevice(clientID string, key *holdfast.Key, pairs ...string) *reply {
	ts.t.Helper()
	body := form(append([]string{"client_id", clientID, "scope", "read"}, pairs...)...)
	return ts.post(pathDevice, body, ts.credentials(clientID, key)...)
}

// enters types a user code.
func (p *person) enters(code string) *view {
	p.t.Helper()
	return p.submit(p.open(pathActivate), pathActivate, form("user_code", code))
}

func TestADeviceGetsCodes(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	answer := ts.startsDevice(appID, nil).ok()
	code := answer.text("user_code")
	if len(code) != 9 || code[4] != '-' || strings.Trim(strings.Replace(code, "-", "", 1), userCodeLetters) != "" { // DEV-5-01
		t.Errorf("the user code has another form than XXXX-XXXX of the 20 letters")
	}
	if uri := answer.text("verification_uri"); uri != ts.config.Issuer+pathActivate {
		t.Errorf("verification_uri is %s", uri)
	}
	if complete := answer.text("verification_uri_complete"); complete != ts.config.Issuer+pathActivate+"?user_code="+code {
		t.Errorf("verification_uri_complete is another address with the code")
	}
	if answer.body["expires_in"] != 600.0 || answer.body["interval"] != 5.0 || len(answer.text("device_code")) != 43 {
		t.Errorf("expires_in is %v, interval %v", answer.body["expires_in"], answer.body["interval"])
	}
	if answer.header.Get("Cache-Control") != "no-store" {
		t.Error("the answer may be kept")
	}
}

func TestADeviceRequestIsCheckedLikeAnyOther(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, func(c *Config) {
		withNative(c) // not registered for the grant
	})
	ts.startsDevice(nativeID, nil).refused(errUnauthorizedClient)
	ts.startsDevice(appID, nil, "resource", "https://other.example").refused(errInvalidTarget)
	ts.post(pathDevice, form("client_id", appID, "scope", "fly")).refused(errInvalidScope)
	if answer := ts.post(pathDevice, form("client_id", webID, "scope", "read")); answer.body["error"] != errInvalidClient {
		t.Errorf("a client without its secret gets %d %s", answer.status, answer.raw)
	}
	ts.post(pathDevice, form("client_id", appID, "scope", "read"), func(r *http.Request) { r.Header.Set("DPoP", "x") }).refused("invalid_dpop_proof")
	if n := ts.count(kindDevice) + ts.count(kindUserCode); n != 0 {
		t.Errorf("%d records were written", n)
	}
}

func TestSomebodyConnectsADevice(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	key := newKey(t)
	device := ts.startsDevice(appID, nil).ok()
	poll := func() *reply {
		ts.clock.Advance(DeviceInterval)
		return ts.post(pathToken, form("grant_type", grantDevice, "client_id", appID, "device_code", device.text("device_code")), ts.proof(key))
	}
	poll().refused(errPending)
	alice := ts.person(t)
	page := alice.open(strings.TrimPrefix(device.text("verification_uri_complete"), ts.config.Issuer))
	page.shows(http.StatusOK, `value="`+device.text("user_code")+`"`)
	poll().refused(errPending) // the address alone decides nothing
	page = alice.submit(page, pathActivate, nil).shows(http.StatusOK, "Log in")
	page = alice.logIn(page, "alice").shows(http.StatusOK,
		"Connect a device?", device.text("user_code"), "<strong>app</strong>", "<li>read</li>", "If somebody sent you the code, deny it", "alice")
	poll().refused(errPending)
	ts.audited()
	alice.submit(page, pathConsent, form("decision", "allow")).shows(http.StatusOK, "Device connected")
	if e := ts.audited(); len(e) != 1 || e[0].Endpoint != "device" || e[0].Decision != "granted" || e[0].Client != appID || e[0].Subject != "subject-of-alice" {
		t.Errorf("events are %+v, want one granted device", e)
	}
	if claims := poll().ok().claims(); claims["sub"] != "subject-of-alice" {
		t.Errorf("the token is for %v", claims["sub"])
	}
	alice.submit(page, pathConsent, form("decision", "deny")).shows(http.StatusBadRequest, "used before")
	alice.enters(device.text("user_code")).shows(http.StatusUnprocessableEntity, "was used")
}

func TestSomebodyRefusesADevice(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	device := ts.startsDevice(appID, nil).ok()
	alice := ts.person(t)
	typed := strings.ToLower(strings.Replace(device.text("user_code"), "-", " ", 1))
	page := alice.logIn(alice.enters(typed), "alice")
	alice.submit(page, pathConsent, form("decision", "deny")).shows(http.StatusOK, "Device not connected")
	ts.post(pathToken, form("grant_type", grantDevice, "client_id", appID, "device_code", device.text("device_code")), ts.proof(newKey(t))).
		refused(errAccessDenied)
}

func TestADeviceIsAlwaysAskedAbout(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, func(c *Config) { configured(t, c, webID).SkipConsent = true })
	alice := ts.person(t)
	alice.logIn(alice.open(asking(webID)), "alice").code(testCallback)
	device := ts.startsDevice(webID, nil).ok()
	alice.enters(device.text("user_code")).shows(http.StatusOK, "Connect a device?")
}

func TestADeviceThatProvedAKeyHasToProveItAgain(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	key := newKey(t)
	device := ts.startsDevice(appID, key).ok()
	alice := ts.person(t)
	page := alice.logIn(alice.enters(device.text("user_code")), "alice")
	alice.submit(page, pathConsent, form("decision", "allow")).shows(http.StatusOK, "Device connected")
	poll := form("grant_type", grantDevice, "client_id", appID, "device_code", device.text("device_code"))
	if other := ts.post(pathToken, poll, ts.proof(newKey(t))); other.status == http.StatusOK {
		t.Error("another key gets the token")
	}
	ts.clock.Advance(DeviceInterval)
	ts.post(pathToken, poll, ts.proof(key)).ok()
}

func TestACodeEndsInTime(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	device := ts.startsDevice(appID, nil).ok()
	alice := ts.person(t)
	page := alice.logIn(alice.enters(device.text("user_code")), "alice").shows(http.StatusOK, "Connect a device?")
	ts.clock.Advance(ts.config.DeviceLifetime)
	alice.submit(page, pathConsent, form("decision", "allow")).shows(http.StatusBadRequest, "expired")
	alice.enters(device.text("user_code")).shows(http.StatusUnprocessableEntity, "expired")
	ts.post(pathToken, form("grant_type", grantDevice, "client_id", appID, "device_code", device.text("device_code")), ts.proof(newKey(t))).
		refused(errExpired)
}

func TestADecisionSurvivesPollsAndOnlyTheFirstCounts(t *testing.T) {
	t.Parallel()
	conflicts := &conflictStore{}
	ts, _ := newPeopleServer(t, func(c *Config) {
		conflicts.Store = c.Store
		c.Store = conflicts
	})
	alice := ts.person(t)
	decide := func(fail int) *view {
		page := alice.enters(ts.startsDevice(appID, nil).ok().text("user_code"))
		if alice.cookie(sessionCookie) == "" {
			page = alice.logIn(page, "alice")
		}
		conflicts.left = fail
		return alice.submit(page, pathConsent, form("decision", "allow"))
	}
	decide(maxDecisionTries-1).shows(http.StatusOK, "Device connected")
	decide(maxDecisionTries).shows(http.StatusServiceUnavailable)
}

// conflictStore lets somebody else be first, some times.
type conflictStore struct {
	store.Store
	left int
}

func (c *conflictStore) Swap(ctx context.Context, r store.Record) error {
	if r.Kind == kindDevice && c.left > 0 {
		c.left--
		return store.ErrConflict
	}
	return c.Store.Swap(ctx, r)
}

func TestAStoreThatIsDownStartsNoDevice(t *testing.T) {
	t.Parallel()
	for _, kind := range []store.Kind{kindDevice, kindUserCode} {
		faulty := &faultyStore{kind: kind}
		ts, _ := newPeopleServer(t, func(c *Config) {
			faulty.Store = c.Store
			c.Store = faulty
		})
		code := ts.startsDevice(appID, nil).ok().text("user_code")
		alice := ts.person(t)
		page := alice.open(pathActivate)
		faulty.down.Store(true)
		if answer := ts.startsDevice(appID, nil); answer.status != http.StatusServiceUnavailable {
			t.Errorf("%s: status is %d, want 503", kind, answer.status)
		}
		alice.submit(page, pathActivate, form("user_code", code)).shows(http.StatusServiceUnavailable)
	}
}

func TestAUserCodeIsDrawnAgainIfSomebodyHasIt(t *testing.T) {
	t.Parallel()
	taken := &takenStore{}
	ts, _ := newPeopleServer(t, func(c *Config) {
		taken.Store = c.Store
		c.Store = taken
	})
	taken.left = maxUserCodes - 1
	ts.startsDevice(appID, nil).ok()
	taken.left = maxUserCodes
	if answer := ts.startsDevice(appID, nil); answer.status != http.StatusServiceUnavailable {
		t.Errorf("status is %d, want 503", answer.status)
	}
}

// takenStore has every user code already, some times.
type takenStore struct {
	store.Store
	left int
}

func (s *takenStore) Create(ctx context.Context, r store.Record) error {
	if r.Kind == kindUserCode && s.left > 0 {
		s.left--
		return store.ErrExists
	}
	return s.Store.Create(ctx, r)
}

func TestUserCodesAreReadAsPeopleTypeThem(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"BCDF-GHJK": "BCDFGHJK", "bcdfghjk": "BCDFGHJK", " bcdf ghjk ": "BCDFGHJK", "b-c-d-f-g-h-j-k": "BCDFGHJK",
		"": "", "BCDF-GHJ": "", "BCDF-GHJKL": "", "ACDF-GHJK": "", "BCDF-GHJ1": "", "BCDF_GHJK": "", "ßcdfghjk": "", "BCDF\x00GHJ": "",
	} {
		if got, ok := readUserCode(typed); ok != (want != "") || ok && got != want {
			t.Errorf("%q is read as %q, %v, want %q", typed, got, ok, want)
		}
	}
}

func FuzzReadUserCode(f *testing.F) {
	f.Add("BCDF-GHJK")
	f.Add("bcdf ghjk")
	f.Add("ﬀ")
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := readUserCode(typed)
		if !ok {
			return
		}
		if again, ok := readUserCode(shownCode(code)); !ok || again != code || len(code) != userCodeLength {
			t.Errorf("%q is read as %q, and that as %q", typed, code, again)
		}
		if u := "?" + (url.Values{"user_code": {shownCode(code)}}).Encode(); strings.Contains(u, "%") {
			t.Errorf("%q is no plain text in an address", code)
		}
	})
}

func TestNewUserCodesUseEveryLetter(t *testing.T) {
	t.Parallel()
	seen := map[rune]bool{}
	for range 1000 { // 8000 letters: that one is missing has a chance of 1e-177
		for _, r := range newUserCode() {
			seen[r] = true
		}
	}
	if len(seen) != len(userCodeLetters) {
		t.Errorf("there are %d letters, want %d", len(seen), len(userCodeLetters))
	}
}

func TestSomebodyWhoMayGrantNothingConnectsNoDevice(t *testing.T) {
	t.Parallel()
	ts, d := newPeopleServer(t, nil)
	d.scopes = map[string][]string{"bob": {}}
	bob := ts.person(t)
	page := bob.enters(ts.startsDevice(appID, nil).ok().text("user_code"))
	bob.logIn(page, "bob").shows(http.StatusBadRequest, "may grant none of the scopes")
}
