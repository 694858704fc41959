package issuer

import (
	"net/http"
	"strings"
	"testing"
)

func TestEverythingIsSealedAnew(t *testing.T) {
	s := start(t, with(inMemory, withAdmin))
	if status, body := s.admin(http.MethodPost, "/reseal", "", nil); status != http.StatusOK || body != `{"resealed":0}`+"\n" {
		t.Errorf("got %d %s, want nothing to do with one key", status, body)
	}
	if status, body := s.admin(http.MethodGet, "/reseal", "", nil); status != http.StatusMethodNotAllowed && status != http.StatusNotFound {
		t.Errorf("GET is answered with %d %s", status, body)
	}
	refuse := func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }
	if status, body := s.admin(http.MethodPost, "/reseal", "", refuse); status != http.StatusForbidden {
		t.Errorf("a page is answered with %d %s", status, body)
	}
	s.end()
	if err := s.wait(); err != nil {
		t.Error(err)
	}
	if log := s.audit.String(); strings.Count(log, "POST /reseal, 0 records") != 1 {
		t.Errorf("the audit log is %s", log)
	}
}
