package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestProgressIsToldToThePatientOnly(t *testing.T) {
	for _, tt := range []struct {
		name  string
		takes time.Duration
		size  int64
		want  string // the last line
	}{
		{"fast", time.Second, 4 << 20, ""},
		{"slow", 3 * time.Second, 4 << 20, "holdfast: 1.0 of 4.0 MiB, 25%\n"},
		{"slow, size not known", 3 * time.Second, -1, "holdfast: 1.0 MiB\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var talk bytes.Buffer
				p := newProgress(&talk, tt.size, patience, bytes.NewReader(make([]byte, 1<<20)))
				if n, err := io.Copy(io.Discard, p); n != 1<<20 || err != nil {
					t.Errorf("%d bytes, %v", n, err)
				}
				time.Sleep(tt.takes)
				p.stop()
				if got := talk.String(); !strings.HasSuffix(got, tt.want) || tt.want == "" && got != "" {
					t.Errorf("got %q, want %q at the end", got, tt.want)
				}
			})
		})
	}
}
