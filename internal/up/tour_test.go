package up

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
)

func TestRunGoesOnUntilTheContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	var got Profile
	key := holdfasttest.NewKey(t)
	err := Run(ctx, Options{Folder: t.TempDir(), Key: key, Out: &out, Ready: func(_ context.Context, p Profile) ([]Command, error) {
		got = p
		cancel()
		return []Command{{Line: "holdfast call " + p.Orders, About: "try it"}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got.Grant == nil || got.Grant.Key != key || !got.Grant.RefreshBound {
		t.Errorf("the profile has the grant %v", got.Grant)
	}
	for _, want := range []string{"all 5 explanations are right", "still running", "alice with the password " + got.Password.Reveal(), "   # try it\n   holdfast call " + got.Orders} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the story lacks %q:\n%s", want, &out)
		}
	}
	for name, secret := range map[string]holdfast.Secret{"access token": got.Grant.Token.Value, "refresh token": got.Grant.Refresh} {
		if strings.Contains(out.String(), secret.Reveal()) {
			t.Errorf("the story shows the %s", name)
		}
	}
	if _, err := http.Get(got.Orders); err == nil {
		t.Error("the API still answers after the tour")
	}
}

func TestRunFails(t *testing.T) {
	key := holdfasttest.NewKey(t)
	tests := []struct {
		name  string
		edit  func(*Options)
		start bool // before anything was tried
		want  string
	}{
		{"without a key", func(o *Options) { o.Key = nil }, false, "needs a folder, a key and an output"},
		{"without a folder", func(o *Options) { o.Folder = "" }, false, "needs a folder, a key and an output"},
		{"in a folder that is not there", func(o *Options) { o.Folder = filepath.Join(o.Folder, "missing") }, true, "the servers cannot be started"},
		{"where the profile cannot be written", func(o *Options) {
			o.Ready = func(context.Context, Profile) ([]Command, error) { return nil, os.ErrPermission }
		}, false, "write the client profile: permission denied"},
		{"when nobody takes the story", func(o *Options) { o.Out, o.Once = closed{}, true }, false, "closed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := Options{Folder: t.TempDir(), Key: key, Out: &bytes.Buffer{}}
			tt.edit(&o)
			err := Run(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, ErrStart) != tt.start {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// closed is an output that is gone.
type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, os.ErrClosed }

// An explanation that is not the right one is shown as wrong and fails the tour;
// the others are still told.
func TestWrongExplanationIsAnError(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		p, err := openPlace(t.Context(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.close() })
		var out bytes.Buffer
		tour := newTour(p, newStory(&out, asJSON, 100), holdfasttest.NewKey(t))
		if _, err := tour.login(t.Context()); err != nil {
			t.Fatal(err)
		}
		all := failures()[:2]
		all[0].cause = "token-expired"
		err = tour.breakThings(t.Context(), all)
		if err == nil || !strings.Contains(err.Error(), `want "binding.scheme.downgrade" and "token-expired"`) {
			t.Errorf("error %v", err)
		}
		want := []string{"high confidence: WRONG, it is", "binding-key-mismatch, high confidence: right", "1 of 2 explanations are right"}
		if asJSON {
			want = []string{`"expected":"token-expired","right":false`, `"right":true`, `{"explanations_right":1,"explanations":2}`}
		}
		for _, w := range want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("the story lacks %q:\n%s", w, &out)
			}
		}
	}
}

func TestPersonIsNotLetIn(t *testing.T) {
	p, err := openPlace(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.close() })
	tour := newTour(p, newStory(&bytes.Buffer{}, false, 80), holdfasttest.NewKey(t))
	tour.password = holdfast.NewSecret("not the password")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	person := &Person{Name: UserName, Password: tour.password, HTTP: tour.tape.http()}
	if err := person.Visit(ctx, p.issuer+"/authorize?client_id=nobody"); err == nil || !strings.Contains(err.Error(), "status 400") {
		t.Errorf("error %v, want one of status 400", err)
	}
	_, err = tour.login(ctx)
	if err == nil || strings.Contains(err.Error(), tour.password.Reveal()) || strings.Contains(err.Error(), "request_uri") {
		t.Errorf("error %v", err)
	}
}

func TestWrap(t *testing.T) {
	tests := []struct {
		name, text string
		width      int
		want       []string
	}{
		{"nothing is no line", "", 10, nil},
		{"words fill a line", "a bb ccc", 8, []string{"a bb ccc"}},
		{"the next word begins a line", "a bb ccc", 7, []string{"a bb", "ccc"}},
		{"a long word is not broken", "see https://api.example/orders now", 10, []string{"see", "https://api.example/orders", "now"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := wrap(tt.text, tt.width); !slices.Equal(got, tt.want) {
				t.Error(cmp.Diff(tt.want, got))
			}
		})
	}
}
