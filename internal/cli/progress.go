package cli

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// progressEvery is the time between two lines of progress.
const progressEvery = 500 * time.Millisecond

// progress reads on and tells somebody who watches how far it is, once that
// takes longer than their patience.
type progress struct {
	from io.Reader
	done atomic.Int64
	quit chan struct{}
	gone chan struct{}
}

// newProgress starts telling; size is -1 if it is not known. stop has to be
// called.
func newProgress(talk io.Writer, size int64, patience time.Duration, from io.Reader) *progress {
	p := &progress{from: from, quit: make(chan struct{}), gone: make(chan struct{})}
	go func() {
		defer close(p.gone)
		t := time.NewTimer(patience)
		defer t.Stop()
		told := false
		for {
			select {
			case <-t.C:
				fmt.Fprintf(talk, "\r\x1b[Kholdfast: %s", progressText(p.done.Load(), size))
				told = true
				t.Reset(progressEvery)
			case <-p.quit:
				if told {
					fmt.Fprintf(talk, "\r\x1b[Kholdfast: %s\n", progressText(p.done.Load(), size))
				}
				return
			}
		}
	}()
	return p
}

// Read implements io.Reader.
func (p *progress) Read(b []byte) (int, error) {
	n, err := p.from.Read(b)
	p.done.Add(int64(n))
	return n, err
}

// stop ends the telling and waits for it.
func (p *progress) stop() {
	close(p.quit)
	<-p.gone
}

func progressText(done, size int64) string {
	const mib = 1 << 20
	if size <= 0 {
		return fmt.Sprintf("%.1f MiB", float64(done)/mib)
	}
	return fmt.Sprintf("%.1f of %.1f MiB, %d%%", float64(done)/mib, float64(size)/mib, 100*done/size)
}
