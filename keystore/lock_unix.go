//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package keystore

import (
	"context"
	"errors"
	"os"
	"syscall"
)

// lockFile locks path between processes. The system releases the lock when the
// process ends, however it ends. The file stays: removing it would let two
// processes hold locks on two files of one name.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, privateFile)
	if err != nil {
		return nil, err
	}
	err = waitForLock(ctx, path, "", func() (bool, error) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}
