package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// Thresholds of clock causes, in terms of iat minus the clock of the server.
const (
	ordinarySkew = 6 * time.Second  // what clocks of healthy machines differ
	skewFloor    = 10 * time.Second // what servers accept ahead, at least (FAPI 2.0)
	clocksAgree  = 20 * time.Second // two clocks that differ less tell the same time
)

// clockCauses are the causes of class clock.
func clockCauses() []cause {
	const class = "clock"
	codes := []holdfast.Code{holdfast.CodeProofIatOld, holdfast.CodeProofIatFuture}
	times := topicClock | topicIatOld | topicIatFuture
	return []cause{
		{
			code: "client-clock-skew", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 4.3 (11), 11.1",
			codes: codes, topics: times | topicProof | topicExpired | topicNotYet, decides: "iat minus Date, the same in all exchanges, and the Date of other servers agrees", rulesOut: "under the window",
			fix: Fix{
				Client:              "correct the clock (NTP, time sync), or correct iat by the Date header of the server",
				ResourceServer:      "state iat, the server's time and the window in the error; offer a nonce",
				AuthorizationServer: "state iat, the server's time and the window in the error; offer a nonce",
			},
			find: findClientClock,
		},
		{
			code: "iat-in-milliseconds", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 7519 2",
			codes: codes, topics: times | topicClaim | topicProof, decides: "iat is over 10^11 and a thousandth of it is now", rulesOut: "iat in seconds",
			beats: []string{"client-clock-skew", "server-clock-wrong", "proof-stale-when-sent"},
			fix:   Fix{Client: "write iat in seconds since 1970: divide the milliseconds by 1000 and drop the fraction"},
			find:  findMilliseconds,
		},
		{
			code: "proof-stale-when-sent", class: class, family: FamilyPoP, severity: "medium", rfc: "RFC 9449 11.1",
			codes: []holdfast.Code{holdfast.CodeProofIatOld}, topics: topicIatOld | topicClock | topicProof, decides: "iat is old, the send time is right, other proofs are fresh", rulesOut: "all proofs equally old",
			beats: []string{"client-clock-skew"},
			fix:   Fix{Client: "sign at send time: make a fresh proof when the request leaves the queue, not when it is put there"},
			find:  findStale,
		},
		{
			code: "server-clock-wrong", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 11.1",
			codes: codes, topics: times | topicProof | topicNotYet | topicExpired, decides: "its Date differs from other servers and the capture; iat agrees with them", rulesOut: "its Date agrees",
			beats: []string{"client-clock-skew", "proof-stale-when-sent", "token-not-yet-valid", "token-expired"},
			fix: Fix{
				Client:              "report it to the operator of the server",
				ResourceServer:      "correct the clock of the server (NTP, time sync)",
				AuthorizationServer: "correct the clock of the server (NTP, time sync)",
			},
			find: findServerClock,
		},
		{
			code: "server-iat-window-too-tight", class: class, family: FamilyPoP, severity: "medium", rfc: "RFC 9449 11.1",
			topics: times, decides: "an offset under about 5 s is refused, and it sometimes works", rulesOut: "an offset over 30 s",
			beats: []string{"client-clock-skew", "server-clock-wrong"},
			fix: Fix{
				Client:              "subtract a second or two from iat",
				ResourceServer:      "allow some seconds of skew on both sides of the window",
				AuthorizationServer: "allow some seconds of skew on both sides of the window",
			},
			find: findTightWindow,
		},
	}
}

// offset is iat minus the clock of the server.
func (g *sight) offset() (time.Duration, bool) {
	if g.proof == nil || g.proof.hidden || !g.proof.hasIat || g.proof.iat > 1e11 || g.at.IsZero() {
		return 0, false
	}
	return time.Unix(g.proof.iat, 0).Sub(g.at), true
}

// clockTrouble reports whether a refusal may be about time.
func clockTrouble(g *sight) bool {
	return g.said.topics&(topicClock|topicIatOld|topicIatFuture) != 0 || g.said.specific()&^topicTokenForm&^topicTokenMissing == 0 ||
		g.fails(holdfast.CodeProofIatOld, holdfast.CodeProofIatFuture)
}

// inWords says an offset as people do.
func inWords(d time.Duration) string {
	dir := "ahead of"
	if d < 0 {
		dir, d = "behind", -d
	}
	s := fmt.Sprintf("%d s", int(d.Seconds()))
	if d >= time.Minute {
		s += " (" + strings.TrimSuffix(d.Round(time.Second).String(), "0s") + ")"
	}
	return s + " " + dir
}

// paceWord describes a clock that is off.
func paceWord(d time.Duration) string {
	if d < 0 {
		return "slow: in the past"
	}
	return "fast: in the future"
}

// otherClocks compares the Date of other origins with the clock of the capture
// and with proofs sent to them; each value is that server's clock minus ours.
func (s *scene) otherClocks(g *sight) (serverOff []time.Duration) {
	for _, o := range s.all {
		if o.origin == g.origin || o.date.IsZero() || o.viewOf != nil {
			continue
		}
		if !o.sent.IsZero() {
			serverOff = append(serverOff, o.date.Sub(o.sent))
		}
	}
	return serverOff
}

func median(d []time.Duration) time.Duration {
	d = slices.Clone(d)
	slices.Sort(d)
	return d[len(d)/2]
}

func abs(d time.Duration) time.Duration {
	if d < 0 {
		return -d
	}
	return d
}

// serverOff is the clock of g's server minus the clock of the capture.
func (g *sight) serverOff() (time.Duration, bool) {
	if g.date.IsZero() || g.sent.IsZero() {
		return 0, false
	}
	return g.date.Sub(g.sent), true
}

// serverWrong reports whether the clock of g's server stands alone: other
// servers agree with the capture, or with the proofs, and it does not.
func (s *scene) serverWrong(g *sight) (by time.Duration, why string, ok bool) {
	if v := g.view; v != nil && !v.date.IsZero() && !g.date.IsZero() && abs(v.date.Sub(g.date)) > clocksAgree {
		if d, known := g.offset(); known && abs(d) <= clocksAgree { // the edge and the client agree, the backend does not
			return v.date.Sub(g.date), "the Date of the edge and iat of the proof agree with each other", true
		}
	}
	off, known := s.serverOffset(g)
	if !known || abs(off) < clocksAgree {
		return 0, "", false
	}
	if others := s.otherClocks(g); len(others) > 0 {
		m := median(others)
		if abs(off-m) > clocksAgree && abs(m) <= clocksAgree {
			return off, "the Date of other servers agrees with the clock of the capture", true
		}
		return 0, "", false
	}
	// Without the clock of the capture: proofs sent to other servers fit their Date.
	var here, there []time.Duration
	for _, o := range s.all {
		d, ok := o.offset()
		if !ok || o.date.IsZero() || o.viewOf != nil {
			continue
		}
		if o.origin == g.origin {
			here = append(here, d)
		} else {
			there = append(there, d)
		}
	}
	if len(here) > 0 && len(there) > 0 && abs(median(there)) <= clocksAgree && abs(median(here)) > clocksAgree {
		return -median(here), "proofs of the same client fit the Date of other servers", true
	}
	return 0, "", false
}

// serverOffset is the clock of the server against the capture, or, where the
// capture has no clock, against the proof.
func (s *scene) serverOffset(g *sight) (time.Duration, bool) {
	if off, ok := g.serverOff(); ok {
		return off, true
	}
	d, ok := g.offset()
	return -d, ok && !g.date.IsZero()
}

// stale reports whether this proof alone is old: the machine's clock is right,
// or other proofs of it are fresh.
func (s *scene) stale(g *sight) (why string, ok bool) {
	d, known := g.offset()
	if !known || d > -skewFloor {
		return "", false
	}
	if off, ok := g.serverOff(); ok {
		if abs(off) <= clocksAgree && time.Unix(g.proof.iat, 0).Before(g.sent.Add(-skewFloor)) {
			return "the request was sent at " + g.sent.UTC().Format(time.RFC3339) + ", when the clocks of client and server agreed", true
		}
		return "", false
	}
	fresh := 0
	for _, o := range s.all {
		if o == g || o.viewOf != nil {
			continue
		}
		if od, ok := o.offset(); ok {
			if abs(od-d) <= clocksAgree {
				return "", false // equally old: the clock
			}
			if abs(od) <= clocksAgree {
				fresh++
			}
		}
	}
	if fresh > 0 {
		return "other proofs of the same client are fresh", true
	}
	if q := firstString(s.client, "queue", "concurrency", "clock_source"); q != "" && queueWords.MatchString(q) {
		return "the client says: " + q, true
	}
	for _, l := range s.logs {
		if l.doc.Kind != KindServerLog && l.doc.Kind != KindServerConfig && queueWords.MatchString(l.text) {
			return l.text, true
		}
	}
	return "", false
}

var queueWords = words(`queue|cach(ed|es|ing)|prepared|precomput|presign|batch|wait(ed|s|ing)|back.?off|held|delayed|offline|suspend|slept|background|pool|limiter|throttl|retry.after|built (at|when|before)`)

func findClientClock(s *scene, g *sight) *finding {
	d, ok := g.offset()
	if !ok || !g.fails(holdfast.CodeProofIatOld, holdfast.CodeProofIatFuture) || !clockTrouble(g) {
		if !ok || abs(d) < ordinarySkew || abs(d) > 24*time.Hour || g.said.topics&(topicClock|topicIatOld|topicIatFuture) == 0 {
			return nil
		}
	}
	f := found(High, fmt.Sprintf("The clock of the client is %s the server's: iat of the proof is %s by %d seconds, outside the window (%s).", inWords(d), pastOrFuture(d), int(abs(d).Seconds()), paceWord(d))).
		computed("iat of the proof against the server's Date", fmt.Sprintf("%d (%s)", g.proof.iat, time.Unix(g.proof.iat, 0).UTC().Format(time.RFC3339)),
			g.at.UTC().Format(time.RFC3339)+" (Date)", "proof.iat", "RFC 9449 4.3 (11)").
		computed("offset", inWords(d)+" the server", "within the window", "proof.iat", "RFC 9449 11.1").stated("the server said", g.said.quote())
	if zone := zoneOf(d); zone != "" {
		f.computed("the offset fits a time zone", zone, "UTC seconds since 1970", "proof.iat", "RFC 7519 2").clientSays("take iat from the Unix time (UTC), not from local time")
	}
	if off, ok := g.serverOff(); ok && abs(off+d) <= clocksAgree {
		f.computed("clock of the capturing machine", inWords(-off)+" the server too", "", "", "")
	}
	if others := s.otherClocks(g); len(others) > 0 && abs(median(others)+d) <= clocksAgree {
		f.computed("Date of other servers", "agrees with this server, not with the client", "", "", "")
	}
	if g.date.IsZero() {
		f.conf = Medium
	}
	if g.said.specific()&(topicClock|topicIatOld|topicIatFuture) == 0 && g.said.errorCode == "" {
		f.conf = Medium // the server gave no reason that fits
	}
	return f
}

func pastOrFuture(d time.Duration) string {
	if d < 0 {
		return "in the past"
	}
	return "in the future"
}

// zoneOf recognises an offset of whole or half hours: local time taken for UTC.
func zoneOf(d time.Duration) string {
	a := abs(d)
	if a < 25*time.Minute || a > 14*time.Hour+30*time.Minute {
		return ""
	}
	r := a.Round(30 * time.Minute)
	if abs(a-r) > 30*time.Second {
		return ""
	}
	sign := "+"
	if d < 0 {
		sign = "-"
	}
	return fmt.Sprintf("UTC%s%02d:%02d taken for UTC", sign, int(r.Hours()), int(r.Minutes())%60)
}

func findMilliseconds(_ *scene, g *sight) *finding {
	if g.proof == nil || g.proof.hidden || !g.proof.hasIat || g.proof.iat < 1e11 {
		return nil
	}
	div, unit := int64(1000), "milliseconds"
	if g.proof.iat > 1e14 {
		div, unit = 1e6, "microseconds"
	}
	t := time.Unix(g.proof.iat/div, 0)
	if !g.at.IsZero() && abs(t.Sub(g.at)) > 48*time.Hour {
		return nil
	}
	return found(High, fmt.Sprintf("iat of the proof is in %s (%d) instead of seconds.", unit, g.proof.iat)).heavier(20).
		computed("iat of the proof", fmt.Sprintf("%d, %s", g.proof.iat, unit), fmt.Sprintf("%d, seconds", g.proof.iat/div), "proof.iat", "RFC 7519 2").stated("the server said", g.said.quote())
}

func findStale(s *scene, g *sight) *finding {
	d, ok := g.offset()
	if !ok || d > -30*time.Second || !clockTrouble(g) || s.sameProofBefore(g) != nil {
		return nil
	}
	why, ok := s.stale(g)
	if !ok {
		return nil
	}
	return found(High, fmt.Sprintf("The proof was made %d seconds before it was sent: it was stale when sent, while the clocks agree.", int(-d.Seconds()))).heavier(10).
		computed("iat of the proof against the time of sending", time.Unix(g.proof.iat, 0).UTC().Format(time.RFC3339)+fmt.Sprintf(", %d s old", int(-d.Seconds())), g.at.UTC().Format(time.RFC3339), "proof.iat", "RFC 9449 11.1").
		computed("why it is not the clock", why, "", "", "").stated("the server said", g.said.quote())
}

func findServerClock(s *scene, g *sight) *finding {
	by, why, ok := s.serverWrong(g)
	if !ok {
		return nil
	}
	d, known := g.offset()
	if known && g.view != nil && abs(d) < abs(by) {
		d = -by // judged by the clock of the backend
	}
	if known && abs(d) < ordinarySkew || !known && g.said.topics&(topicExpired|topicNotYet|topicClock) == 0 {
		return nil
	}
	if !clockTrouble(g) && g.said.topics&(topicExpired|topicNotYet) == 0 {
		return nil
	}
	date := g.date
	if g.view != nil && !g.view.date.IsZero() {
		date = g.view.date
	}
	return found(High, fmt.Sprintf("The clock of the server %s is wrong: its Date is %s the other clocks, and iat agrees with them.", g.origin, inWords(by))).heavier(20).
		computed("Date of this server", date.UTC().Format(time.RFC3339)+", "+inWords(by)+" the other clocks", why, "proof.iat", "RFC 9449 11.1").stated("the server said", g.said.quote())
}

func findTightWindow(s *scene, g *sight) *finding {
	d, ok := g.offset()
	if !ok || g.said.isNonceChallenge() || abs(d) > ordinarySkew || g.said.topics&(topicClock|topicIatOld|topicIatFuture) == 0 || g.said.topics&(topicExpired|topicNotYet) != 0 && g.said.topics&topicProof == 0 {
		return nil
	}
	if s.brokenFact(g) {
		return nil
	}
	f := found(High, fmt.Sprintf("The server refuses a proof whose iat is only %s its own clock: its window is too tight for ordinary skew.", inWords(d))).heavier(10).
		computed("iat of the proof against the server's Date", inWords(d)+" the server", "a window of some seconds on both sides", "proof.iat", "RFC 9449 11.1").stated("the server said", g.said.quote())
	if o := s.worked(g); o != nil {
		f.computed("it sometimes works", fmt.Sprintf("exchange %d succeeded", o.n), "", "", "")
	} else {
		f.conf = Medium
	}
	return f
}

// worked finds a request like g that succeeded.
func (s *scene) worked(g *sight) *sight {
	for _, o := range s.all {
		if o != g && o.viewOf == nil && o.origin == g.origin && o.proof != nil && s.accepted(o) {
			return o
		}
	}
	return nil
}
