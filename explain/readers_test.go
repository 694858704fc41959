package explain

import (
	"bytes"
	"reflect"
	"testing"
)

// readersHold checks what every reader promises for any input.
func readersHold(t *testing.T, ev *Evidence, err error) {
	t.Helper()
	if ev == nil {
		t.Fatal("no evidence: a reader returns what it read")
	}
	if err != nil != ev.Broken() {
		t.Errorf("error %v and broken %v disagree", err, ev.Broken())
	}
	if len(ev.Exchanges) > MaxExchanges {
		t.Errorf("%d exchanges", len(ev.Exchanges))
	}
	last := 0
	for i := range ev.Exchanges {
		x := &ev.Exchanges[i]
		if x.ID <= last {
			t.Errorf("number %d after %d", x.ID, last)
		}
		last = x.ID
		if len(x.Body) > MaxBodyKept || len(x.RequestBody) > MaxBodyKept {
			t.Errorf("bodies of %d and %d bytes", len(x.RequestBody), len(x.Body))
		}
		if !x.Request.At.IsZero() {
			t.Error("the time of judgement was set by a reader")
		}
		if x.Status == 0 && x.Err == "" {
			t.Error("no answer and no reason")
		}
		for name := range x.RequestHeader {
			if name == "" || name[0] == ':' {
				t.Errorf("field name %q", name)
			}
		}
	}
	for _, p := range ev.Problems {
		if len(p.Text) > 1000 {
			t.Errorf("problem text of %d bytes", len(p.Text))
		}
	}
}

// readersRoundTrip checks that ev survives a bundle, and that writing is
// deterministic.
func readersRoundTrip(t *testing.T, ev *Evidence) {
	t.Helper()
	var one, two bytes.Buffer
	if err := WriteBundle(&one, ev); err != nil {
		t.Fatalf("write: %v", err)
	}
	back, err := ReadBundle(bytes.NewReader(one.Bytes()))
	if err != nil && !ev.Broken() {
		t.Fatalf("read back: %v\n%s", err, one.Bytes())
	}
	if err := WriteBundle(&two, back); err != nil {
		t.Fatalf("write again: %v", err)
	}
	if !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Fatalf("round trip changed the bundle:\n%s\n%s", one.Bytes(), two.Bytes())
	}
	if len(back.Exchanges) != len(ev.Exchanges) {
		t.Fatalf("%d exchanges, had %d", len(back.Exchanges), len(ev.Exchanges))
	}
	for i := range ev.Exchanges {
		a, b := ev.Exchanges[i], back.Exchanges[i]
		if !a.Sent.Equal(b.Sent) || !a.Received.Equal(b.Received) {
			t.Errorf("times of exchange %d: %v %v, had %v %v", a.ID, b.Sent, b.Received, a.Sent, a.Received)
		}
		a.Sent, a.Received = b.Sent, b.Received
		if !reflect.DeepEqual(a, b) {
			t.Errorf("exchange %d changed: %v, hidden %b, had %v, hidden %b", a.ID, b, b.Request.Hidden, a, a.Request.Hidden)
		}
	}
	if !reflect.DeepEqual(ev.Sources, back.Sources) {
		t.Errorf("sources %+v, had %+v", back.Sources, ev.Sources)
	}
	if !reflect.DeepEqual(ev.Problems, back.Problems) {
		t.Errorf("problems %+v, had %+v", back.Problems, ev.Problems)
	}
}
