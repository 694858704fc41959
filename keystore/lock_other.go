//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd)

package keystore

import (
	"context"
	"errors"
	"io/fs"
	"os"
)

// lockFile locks between processes by the existence of a file. If a process dies
// the file stays, and the error says what to do.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	path += ".held"
	err = waitForLock(ctx, path, " (or held when it died: then remove the file)", func() (bool, error) {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, privateFile)
		if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrPermission) { // the latter while it is being removed
			return false, nil
		}
		if err != nil {
			return false, err
		}
		return true, f.Close()
	})
	if err != nil {
		return nil, err
	}
	return func() { os.Remove(path) }, nil
}
