package keystore

import (
	"context"
	"fmt"
	"time"
)

// How often a lock that another process holds is tried again. The systems have
// no way to wait for one that a context could end.
const (
	firstLockWait = 2 * time.Millisecond
	maxLockWait   = 100 * time.Millisecond
)

// waitForLock calls try until it takes the lock, reports an error or ctx ends.
func waitForLock(ctx context.Context, path, hint string, try func() (bool, error)) error {
	for wait := firstLockWait; ; wait = min(2*wait, maxLockWait) {
		switch ok, err := try(); {
		case err != nil:
			return fmt.Errorf("lock: %w", err)
		case ok:
			return nil
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("wait for %s, which another process holds%s: %w", path, hint, ctx.Err())
		}
	}
}
