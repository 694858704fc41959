package client

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

func TestClocksCorrectWithinTheirLimit(t *testing.T) {
	var c clocks
	const origin = "https://api.example"
	for _, tt := range []struct {
		by      time.Duration
		changed bool
		want    time.Duration
	}{
		{999 * time.Millisecond, false, 0},
		{-time.Second, true, -time.Second},
		{MaxCorrection, true, MaxCorrection},
		{MaxCorrection + 1, false, MaxCorrection},
		{-MaxCorrection - 1, false, MaxCorrection},
		{-MaxCorrection, true, -MaxCorrection},
		{0, true, 0},
	} {
		if changed := c.correct(origin, tt.by); changed != tt.changed || c.offset(origin) != tt.want {
			t.Errorf("by %v: changed %v to %v, want %v and %v", tt.by, changed, c.offset(origin), tt.changed, tt.want)
		}
		if got := c.offset("https://other.example"); got != 0 {
			t.Errorf("the other origin has %v", got)
		}
	}
}

func TestClocksAreBounded(t *testing.T) {
	var c clocks
	for i := range 3 * MaxNonceOrigins {
		c.correct(fmt.Sprint("https://", i, ".example"), time.Minute)
		if len(c.offsets) > MaxNonceOrigins {
			t.Fatalf("%d offsets", len(c.offsets))
		}
	}
}

func TestAClockDifferenceHasToExplainTheRefusal(t *testing.T) {
	sent := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name         string
		took, server time.Duration // server: its time, after sent
		offset       time.Duration
		off          bool
	}{
		{"equal", 0, 0, 0, false},
		{"a little ahead", 0, minCorrection, 0, false},
		{"ahead", 0, minCorrection + time.Second, 0, true},
		{"behind", 0, -minCorrection - 2*time.Second, 0, true},
		{"ahead as known", 0, time.Minute, time.Minute, false},
		{"ahead no longer", 0, 0, time.Minute, true},
		{"behind, but the answer took as long", 30 * time.Second, 25 * time.Second, 0, false},
		{"slow, and the time was read early", 30 * time.Second, 0, 0, false},
		{"slow, and behind all the same", 30 * time.Second, -minCorrection - 2*time.Second, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := &attempt{sent: sent, received: sent.Add(tt.took), offset: tt.offset, response: &http.Response{
				Header: http.Header{"Date": {sent.Add(tt.server).Format(http.TimeFormat)}},
			}}
			by, off := a.clockDifference(time.Time{})
			if off != tt.off || by != tt.server-tt.took {
				t.Errorf("off %v by %v", off, by)
			}
		})
	}
}
