package kubernetes

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// releaseSize is about what a release takes in the Secret where Helm keeps it: the
// chart's files and the manifests, as JSON, compressed and in base64.
func releaseSize(t *testing.T, unpacked string, manifest []byte) int {
	t.Helper()
	release := map[string]any{"manifest": string(manifest)}
	err := filepath.WalkDir(unpacked, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		release[path] = b // base64, as Helm has it
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if err := json.NewEncoder(w).Encode(release); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	n := base64.StdEncoding.EncodedLen(buf.Len())
	t.Logf("a release takes %d bytes", n)
	return n
}
