package issuer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/internal/ops"
	"github.com/holdfast-oauth/holdfast/store"
)

func metricsText(m *ops.Metrics) string {
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

// The schema of the audit log: names and their order.
func TestAnEventIsALine(t *testing.T) {
	var out bytes.Buffer
	log, err := ops.OpenAudit("", &out, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := ops.NewMetrics("")
	r := newRecorder(m, log)
	e := authserver.Event{
		Time: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Endpoint: "token", Decision: "refused", Error: "invalid_dpop_proof", Code: holdfast.CodeProofHTUMismatch,
		Reason: "the target\x1b[2J is another", Client: "app", Subject: "u-1", Grant: "refresh_token", Holder: holdfast.Thumbprint{1}, ClientKey: "k1",
		Remote: "192.0.2.1:5000", Request: "r-1",
	}
	r.record(t.Context(), e)
	for i := range 1000 { // that a client has made up
		r.record(t.Context(), authserver.Event{Time: e.Time, Endpoint: "token", Decision: "refused", Error: "unsupported_grant_type", Grant: fmt.Sprint("urn:made:up:", i)})
	}
	log.Close()
	first, _, _ := strings.Cut(out.String(), "\n")
	want := `{"time":"2030-01-02T03:04:05Z","event":"token","decision":"refused","error":"invalid_dpop_proof","code":"proof.htu.mismatch",` +
		`"reason":"the target\u001b[2J is another","client":"app","client_key":"k1","subject":"u-1","grant":"refresh_token",` +
		`"holder":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","remote":"192.0.2.1:5000","request":"r-1"}`
	if first != want {
		t.Errorf("got  %s\nwant %s", first, want)
	}
	text := metricsText(m)
	for _, want := range []string{
		`holdfast_decisions_total{code="proof.htu.mismatch",decision="refused",endpoint="token",error="invalid_dpop_proof",grant="refresh_token"} 1`,
		`holdfast_decisions_total{code="",decision="refused",endpoint="token",error="unsupported_grant_type",grant="other"} 1000`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
}

func TestEndpointsHaveFewNames(t *testing.T) {
	of := endpointOf("/tenant")
	for path, want := range map[string]string{
		"/tenant/token": "token", "/tenant/login/work": "login", "/.well-known/oauth-authorization-server/tenant": ".well-known",
		"/tenant/made-up": "other", "/tenant": "other", "/": "other", "/tenant/": "other",
	} {
		if got := of(path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}

// broken is a store that cannot be asked.
type broken struct {
	store.Store
	err error
}

func (b broken) Get(context.Context, store.Kind, [32]byte) (store.Record, error) {
	return store.Record{}, b.err
}
func (b broken) Create(context.Context, store.Record) error { return b.err }
func (b broken) Swap(context.Context, store.Record) error   { return b.err }

func TestFailuresOfTheStoreAreCounted(t *testing.T) {
	m := ops.NewMetrics("")
	s := counting(broken{store.NewMemory(nil), errors.New("no route to host")}, m)
	_, err := s.Get(t.Context(), kindProbe, [32]byte{})
	if err == nil || err.Error() != "no route to host" {
		t.Errorf("got %v", err)
	}
	_ = s.Create(t.Context(), store.Record{})
	_ = s.Swap(t.Context(), store.Record{})
	answers := watched{broken{nil, store.ErrNotFound}, func(string, error) error { t.Error("an answer is no failure"); return nil }}
	if _, err := answers.Get(t.Context(), kindProbe, [32]byte{}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	text := metricsText(m)
	for _, want := range []string{`operation="get"} 1`, `operation="create"} 1`, `operation="swap"} 1`} {
		if !strings.Contains(text, "holdfast_store_errors_total{"+want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
	if status, answer := refusalOf((&watched{nil, marking(nil).(*watched).note}).judge("get", errors.New("db.internal is away"))); status != http.StatusServiceUnavailable || strings.Contains(answer.Description, "db.internal") {
		t.Errorf("answered with %d %+v", status, answer)
	}
}

// forgetful is a replay cache that says whether it remembers.
type forgetful struct{ err error }

func (f forgetful) Use(context.Context, holdfast.ReplayID, time.Time) (bool, error) {
	return false, f.err
}
func (f forgetful) Peek(context.Context, holdfast.ReplayID) (bool, error) { return false, f.err }

func TestReadinessAsksTheStoreAndForKeys(t *testing.T) {
	keys := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"keys":[{}]}`)) })
	none := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"keys":[]}`)) })
	away := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	for _, c := range []struct {
		name   string
		store  store.Store
		replay holdfast.ReplayCache
		public http.Handler
		want   string
	}{
		{"all is there", store.NewMemory(nil), forgetful{}, keys, ""},
		{"replays are of this process", store.NewMemory(nil), nil, keys, ""},
		{"the store is away", broken{nil, errors.New("no route to host")}, nil, keys, "store"},
		{"the replay cache has lost its memory", store.NewMemory(nil), forgetful{errors.New("cold")}, keys, "replays"},
		{"there is no key", store.NewMemory(nil), nil, none, "signing key"},
		{"the keys cannot be read", store.NewMemory(nil), nil, away, "signing key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			for _, check := range readyChecks(c.store, c.replay, c.public, "") {
				if check.Check(t.Context()) != nil {
					got += check.Name
				}
			}
			if got != c.want {
				t.Errorf("missing is %q, want %q", got, c.want)
			}
		})
	}
}
