package authserver

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// device is a device code that nobody has decided about, as the device
// authorization endpoint makes it, and the token request for it.
func (ts *testServer) device(clientID string, jkt holdfast.Thumbprint) (key [32]byte, request url.Values) {
	ts.t.Helper()
	code := newHandle().Reveal()
	r := deviceRecord{
		Client: clientID, Scope: []string{"read", "write"}, Resources: []string{apiID}, JKT: jkt,
		Until: ts.now().Add(DefaultDeviceLifetime), Interval: 5,
	}
	if err := create(context.Background(), ts.store, kindDevice, keyOf(code), "", r.Until.Add(time.Minute), r); err != nil {
		ts.t.Fatal(err)
	}
	return keyOf(code), form("grant_type", grantDevice, "device_code", code, "client_id", clientID)
}

// decide changes the record of a device code as the page for it does.
func (ts *testServer) decide(key [32]byte, change func(*deviceRecord)) {
	ts.t.Helper()
	e, err := load[deviceRecord](context.Background(), ts.store, kindDevice, key)
	if err != nil {
		ts.t.Fatal(err)
	}
	change(&e.Value)
	if err := e.swap(context.Background(), ts.store); err != nil {
		ts.t.Fatal(err)
	}
}

// allow is a decision: alice allows less than was asked for.
func (ts *testServer) allow(r *deviceRecord) {
	r.Decision = decisionApproved
	r.Approval = &approval{Client: r.Client, Subject: "alice", Scope: []string{"read"}, Resources: r.Resources, At: ts.now()}
}

func (ts *testServer) approvedDevice(clientID string, jkt holdfast.Thumbprint) url.Values {
	ts.t.Helper()
	key, request := ts.device(clientID, jkt)
	ts.decide(key, ts.allow)
	return request
}

func TestADevicePollsUntilSomebodyHasDecided(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	key := newKey(t)
	record, request := ts.device(appID, holdfast.Thumbprint{})
	poll := func() *reply { return ts.post(pathToken, request, ts.credentials(appID, key)...) }

	poll().refused(errPending)
	ts.clock.Advance(5 * time.Second)
	poll().refused(errPending)
	ts.clock.Advance(4 * time.Second)
	poll().refused(errSlowDown) // RFC 8628 3.5: 5 seconds more from here on
	ts.clock.Advance(9 * time.Second)
	poll().refused(errSlowDown)
	ts.clock.Advance(15 * time.Second)
	poll().refused(errPending)

	ts.decide(record, ts.allow)
	r := poll().ok() // at once, however soon
	if r.text("scope") != "read" || r.text("refresh_token") == "" || ts.access(r).Subject != "alice" {
		t.Errorf("scope is %q for %+v, want what alice allowed", r.text("scope"), ts.access(r))
	}
	ts.refreshed(r, appID, newKey(t)).refused(errInvalidGrant)
	ts.refreshed(r, appID, key).ok()
}

func TestTheTimeBetweenPollsHasALimit(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	record, request := ts.device(appID, holdfast.Thumbprint{})
	for range 20 {
		ts.post(pathToken, request, ts.credentials(appID, newKey(t))...)
	}
	ts.decide(record, func(r *deviceRecord) {
		if r.Interval != maxPollInterval {
			t.Errorf("interval is %d s, want %d", r.Interval, maxPollInterval)
		}
	})
}

func TestDeviceCodesAreRefused(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	key := newKey(t)
	poll := func(request url.Values, client string) *reply {
		return ts.post(pathToken, request, ts.credentials(client, key)...)
	}
	denied, request := ts.device(appID, holdfast.Thumbprint{})
	ts.decide(denied, func(r *deviceRecord) { r.Decision = decisionDenied })
	poll(request, appID).refused(errAccessDenied)

	_, others := ts.device(appID, holdfast.Thumbprint{})
	others.Set("client_id", webID)
	poll(others, webID).refused(errInvalidGrant).names("device_code")

	for _, code := range []string{"x", newHandle().Reveal()} {
		poll(form("grant_type", grantDevice, "client_id", appID, "device_code", code), appID).refused(errInvalidGrant).names("device_code")
	}
	poll(form("grant_type", grantDevice, "client_id", appID), appID).refused(errInvalidRequest).names("device_code")

	late, expired := ts.approvedDevice(appID, holdfast.Thumbprint{}), ts.approvedDevice(appID, holdfast.Thumbprint{})
	ts.clock.Advance(DefaultDeviceLifetime - time.Second)
	poll(late, appID).ok()
	ts.clock.Advance(time.Second)
	poll(expired, appID).refused(errExpired)
}

func TestADeviceCodeIsBoundToTheKeyOfItsRequest(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	k1, k2 := newKey(t), newKey(t)
	request := ts.approvedDevice(webID, k1.Thumbprint())
	ts.post(pathToken, request, ts.credentials(webID, k2)...).refused(errInvalidGrant)
	ts.post(pathToken, request, ts.credentials(webID, nil)...).refused("invalid_dpop_proof")
	ts.post(pathToken, request, ts.credentials(webID, k1)...).ok()
}

func TestTheSecondUseOfADeviceCodeEndsTheGrant(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	key := newKey(t)
	request := ts.approvedDevice(appID, holdfast.Thumbprint{})
	r := ts.post(pathToken, request, ts.credentials(appID, key)...).ok()
	ts.clock.Advance(DefaultDeviceLifetime)
	ts.post(pathToken, request, ts.credentials(appID, key)...).refused(errInvalidGrant)
	if ts.access(r) != nil {
		t.Error("the first access token is still active")
	}
	ts.refreshed(r, appID, key).refused(errInvalidGrant)
}
