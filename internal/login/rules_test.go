package login

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

func TestRules(t *testing.T) {
	staff := ScopeRule{Claim: []string{"groups"}, Values: []string{"staff", "guests"}, Scopes: []string{"read"}}
	admins := ScopeRule{Claim: []string{"realm_access", "roles"}, Values: []string{"admin"}, Scopes: []string{"write", "read"}}
	everybody := ScopeRule{Scopes: []string{"profile"}}
	for _, c := range []struct {
		name   string
		rules  []ScopeRule
		claims string
		want   []string
		denied bool
	}{
		{"no rules give every scope", nil, `{}`, nil, false},
		{"a value in an array", []ScopeRule{staff}, `{"groups":["x","staff"]}`, []string{"read"}, false},
		{"a value that is the claim", []ScopeRule{staff}, `{"groups":"guests"}`, []string{"read"}, false},
		{"a claim in a claim, and another rule", []ScopeRule{staff, admins}, `{"groups":["staff"],"realm_access":{"roles":["admin"]}}`, []string{"read", "write"}, false},
		{"a rule for everybody", []ScopeRule{staff, everybody}, `{}`, []string{"profile"}, false},
		{"a claim whose name has dots", []ScopeRule{{Claim: []string{"https://op.example/a.b"}, Values: []string{"x"}, Scopes: []string{"read"}}}, `{"https://op.example/a.b":"x"}`, []string{"read"}, false},
		{"no such claim", []ScopeRule{staff, admins}, `{}`, nil, true},
		{"a value in other letter case", []ScopeRule{staff}, `{"groups":["Staff"]}`, nil, true},
		{"a value that begins alike", []ScopeRule{staff}, `{"groups":["staff2"],"group":"staff"}`, nil, true},
		{"values in one string", []ScopeRule{staff}, `{"groups":"staff guests"}`, nil, true},
		{"a claim that is no text", []ScopeRule{staff}, `{"groups":[true,1,null,{"staff":"staff"},["staff"]]}`, nil, true},
		{"a claim on the way that is no object", []ScopeRule{admins}, `{"realm_access":"admin"}`, nil, true},
		{"a claim in the wrong place", []ScopeRule{admins}, `{"roles":["admin"]}`, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := configFor("https://op.example")
			config.Rules = c.rules
			p := newProvider(t, config)
			claims, err := strictjson.Parse(c.claims, holdfast.MaxTokenBytes)
			if err != nil {
				t.Fatal(err)
			}
			person, err := p.person(&holdfast.Token{Subject: "alice"}, claims)
			if c.denied {
				wantDenied(t, err, "no access here")
				return
			}
			if d := cmp.Diff(c.want, person.Scopes); err != nil || d != "" {
				t.Errorf("error %v, scopes (-want +got):\n%s", err, d)
			}
		})
	}
}

func TestSubjectsNeverMeet(t *testing.T) {
	one := newProvider(t, configFor("https://op.example"))
	two := newProvider(t, configFor("https://op.example/a"))
	seen := map[string]string{}
	for name, s := range map[string]string{
		"alice at one": one.subject("alice"), "bob at one": one.subject("bob"), "alice at two": two.subject("alice"),
		"what would join to the same text": one.subject("/aalice"), "a local user": newSubject(), "another local user": newSubject(),
	} {
		if other, there := seen[s]; there {
			t.Errorf("%s and %s have one subject", name, other)
		}
		seen[s] = name
		if !printable(s, MaxSubjectBytes) || !strings.HasPrefix(s, localSubject) && !strings.HasPrefix(s, upstreamSubject) {
			t.Errorf("the subject of %s is %q", name, s)
		}
	}
	if again := newProvider(t, configFor("https://op.example")).subject("alice"); again != one.subject("alice") {
		t.Error("the subject of a person changes")
	}
}

func TestNameAndTimeOfAPerson(t *testing.T) {
	config := configFor("https://op.example")
	config.NameClaim = "preferred_username"
	p := newProvider(t, config)
	issued := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for in, want := range map[string]string{
		`{"preferred_username":"alice","name":"bob"}`: "alice",
		`{"name":"bob"}`: "",
		`{"preferred_username":"a\u202el\nice\u0000"}`:                  "alice",
		`{"preferred_username":["alice"]}`:                              "",
		`{"preferred_username":"` + strings.Repeat("é", 100) + `"}`:     strings.Repeat("é", 64),
		`{"preferred_username":"x` + strings.Repeat("é", 100) + `"}`:    "x" + strings.Repeat("é", 63),
		`{"preferred_username":"` + strings.Repeat("x", 128) + `tail"}`: strings.Repeat("x", 128),
	} {
		claims, err := strictjson.Parse(in, holdfast.MaxTokenBytes)
		if err != nil {
			t.Fatal(err)
		}
		person, err := p.person(&holdfast.Token{Subject: "alice", IssuedAt: issued}, claims)
		if err != nil || person.Name != want || !person.AuthTime.IsZero() {
			t.Errorf("claims %.60s give %+v, error %v, want the name %q and no time of a login", in, person, err, want)
		}
	}
}
