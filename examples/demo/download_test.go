package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// archiveOf makes a .tar.gz of files by their names.
func archiveOf(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	w := tar.NewWriter(zip)
	for name, content := range files {
		h := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(content))}
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			h.Typeflag, h.Linkname, h.Size, content = tar.TypeSymlink, target, 0, ""
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// releases serves an archive and its checksum.
func releases(t *testing.T, archive []byte, checksum string) grafanaDownload {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, ".tar.gz.sha256") && checksum != "":
			_, _ = w.Write([]byte(checksum))
		case strings.HasSuffix(r.URL.Path, ".tar.gz"):
			_, _ = w.Write(archive)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return grafanaDownload{client: server.Client(), releases: server.URL, dir: t.TempDir()}
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func TestGrafanaIsFetched(t *testing.T) {
	archive := archiveOf(t, map[string]string{"grafana-12.3.0/bin/grafana": "program", "grafana-12.3.0/conf/defaults.ini": ""})
	d := releases(t, archive, strings.ToUpper(sum(archive))+"  grafana.tar.gz\n")
	if err := d.fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	bin, home, err := findGrafana("", d.home())
	if err != nil || home != d.home() || bin != filepath.Join(home, "bin", "grafana") {
		t.Errorf("found %q in %q, %v", bin, home, err)
	}
	if left, err := os.ReadDir(d.dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// What is not what was published, or would leave its folder, leaves nothing.
func TestGrafanaIsNotFetched(t *testing.T) {
	good := archiveOf(t, map[string]string{"grafana/bin/grafana": "program"})
	climbs := archiveOf(t, map[string]string{"grafana/../../outside": "x", "grafana/bin/grafana": "program"})
	link := archiveOf(t, map[string]string{"grafana/bin": "-> /tmp"})
	for name, c := range map[string]struct {
		archive  []byte
		checksum string
		want     string
	}{
		"no checksum":             {good, "", "404"},
		"a page for a checksum":   {good, "<html>", "no SHA-256"},
		"another archive":         {good, sum(link), "published is"},
		"cut short":               {good[:len(good)-20], sum(good[:len(good)-20]), "unexpected EOF"},
		"no archive":              {[]byte("x"), sum([]byte("x")), "unpacking Grafana"},
		"out of its folder":       {climbs, sum(climbs), "outside"},
		"links, and nothing else": {link, sum(link), "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			d := releases(t, c.archive, c.checksum)
			if err := d.fetch(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v; want one with %q", err, c.want)
			}
			if left, err := os.ReadDir(d.dir); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
	t.Run("no network", func(t *testing.T) {
		d := releases(t, good, sum(good))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := d.fetch(ctx); err == nil {
			t.Error("no error")
		}
	})
}
