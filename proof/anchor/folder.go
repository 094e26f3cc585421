package anchor

import (
	"context"
	"io/fs"
	"iter"
	"os"
)

// Folder gives back the checkpoints in the files of a folder and the folders
// below, for example a copy of a bucket.
type Folder struct{ Path string }

// Name is the folder's path.
func (f Folder) Name() string { return f.Path }

// Checkpoints yields what its files have.
func (f Folder) Checkpoints(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		root, err := os.OpenRoot(f.Path)
		if err != nil {
			yield(nil, err)
			return
		}
		defer root.Close()
		done := false
		err = fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			file, err := root.Open(path)
			if err != nil {
				return err
			}
			defer file.Close()
			for note, err := range Notes(file) {
				if done = !yield(note, err) || ctx.Err() != nil; done {
					return fs.SkipAll
				}
			}
			return nil
		})
		if err != nil && !done {
			yield(nil, err)
		}
	}
}
