package keystore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Modes of what is written.
const (
	privateFile   = 0o600
	privateFolder = 0o700
)

// readPrivate reads a file of at most limit bytes that is nobody else's to read.
// A symbolic link is refused, because replacing the file would replace the link.
func readPrivate(path string, limit int64) ([]byte, error) {
	seen, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if err := checkPrivate(path, seen, 0); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// Again on what was opened: it may have changed in between.
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := checkPrivate(path, info, 0); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes: %w", path, limit, ErrDamaged)
	}
	return b, nil
}

// checkPrivate refuses what is not of the kind, and what others may read or
// write. Windows has no such modes; there the folder of the user protects.
func checkPrivate(path string, info fs.FileInfo, kind fs.FileMode) error {
	switch mode := info.Mode(); {
	case mode.Type() == fs.ModeSymlink:
		return fmt.Errorf("%s is a symbolic link: name what it points to", path)
	case mode.Type() != kind:
		return fmt.Errorf("%s is a %s, want a %s", path, fileKind(mode), fileKind(kind))
	case mode.Perm()&0o077 != 0 && runtime.GOOS != "windows":
		return fmt.Errorf("%s has mode %04o: others may have read it; allow its owner only (chmod go= %[1]s) and consider new keys", path, mode.Perm())
	}
	return nil
}

func fileKind(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return "file"
	case mode.IsDir():
		return "folder"
	}
	return "special file"
}

// replaceFile puts b in place of the file at path, all of it or nothing, also if
// the machine stops. The caller holds the lock of the file, so that the name of
// the temporary file can be fixed: one that a crash left over is overwritten, not
// collected. beforeRename, if any, is called when the temporary file is complete.
func replaceFile(path string, b []byte, beforeRename func()) (err error) {
	temp := path + ".tmp"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, privateFile) // O_EXCL follows no link
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(temp)
		}
	}()
	if _, err := f.Write(b); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if beforeRename != nil {
		beforeRename()
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes a rename or a removal in the folder survive a crash. Windows
// cannot, and does not need to.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
