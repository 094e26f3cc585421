// Package atomicfile replaces files so that they are there whole: as they were, or
// as they are to be.
package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
)

// Write gives a file a content, readable by its owner only, and syncs it. Whenever
// the process dies, the file is as it was or as it is to be.
func Write(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
