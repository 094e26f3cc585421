package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
)

// The Grafana that the demo fetches if it is asked to: the release that
// docker-compose.yml runs. Grafana puts the number of the build into the names of
// its archives.
const (
	grafanaVersion  = "12.3.0"
	grafanaBuild    = "19497075765"
	grafanaReleases = "https://dl.grafana.com/grafana/release"
)

// maxUnpacked is more than any Grafana takes: an archive that goes on is none.
const maxUnpacked = 4 << 30

// grafanaDownload fetches a release of Grafana.
type grafanaDownload struct {
	client   *http.Client
	releases string // URL
	dir      string // where the folder of a release goes
}

// home is the folder of the release, whether or not it is there.
func (d grafanaDownload) home() string { return filepath.Join(d.dir, "grafana-"+grafanaVersion) }

// fetch downloads the official archive, compares it with the checksum published
// beside it, and unpacks it. What fails leaves nothing behind.
func (d grafanaDownload) fetch(ctx context.Context) error {
	url := fmt.Sprintf("%s/%s/grafana_%s_%s_%s_%s.tar.gz", d.releases, grafanaVersion, grafanaVersion, grafanaBuild, runtime.GOOS, runtime.GOARCH)
	want, err := d.checksum(ctx, url+".sha256")
	if err != nil {
		return fmt.Errorf("fetching the checksum of Grafana: %w", err)
	}
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return fmt.Errorf("making the folder for Grafana: %w", err)
	}
	work, err := os.MkdirTemp(d.dir, "grafana-*.part")
	if err != nil {
		return fmt.Errorf("making a folder to fetch Grafana into: %w", err)
	}
	defer os.RemoveAll(work)
	archive := filepath.Join(work, "archive")
	got, err := d.save(ctx, url, archive)
	if err != nil {
		return fmt.Errorf("fetching Grafana: %w", err)
	}
	if got != want {
		return fmt.Errorf("fetching Grafana: %s has the checksum %s, published is %s", url, got, want)
	}
	unpacked := filepath.Join(work, "unpacked")
	if err := unpack(archive, unpacked); err != nil {
		return fmt.Errorf("unpacking Grafana: %w", err)
	}
	if _, err := os.Stat(filepath.Join(unpacked, "bin", "grafana")); err != nil {
		return fmt.Errorf("unpacking Grafana: %w", err)
	}
	if err := os.Rename(unpacked, d.home()); err != nil {
		return fmt.Errorf("moving Grafana to its place: %w", err)
	}
	return nil
}

func (d grafanaDownload) get(ctx context.Context, url string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return resp.Body, nil
}

// checksum reads a file that begins with a SHA-256 in hexadecimal.
func (d grafanaDownload) checksum(ctx context.Context, url string) (string, error) {
	body, err := d.get(ctx, url)
	if err != nil {
		return "", err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, 1<<10))
	if err != nil {
		return "", err
	}
	sum, _, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	if b, err := hex.DecodeString(sum); err != nil || len(b) != sha256.Size {
		return "", fmt.Errorf("%s holds no SHA-256", url)
	}
	return strings.ToLower(sum), nil
}

// save writes what a URL answers to a file and returns its checksum.
func (d grafanaDownload) save(ctx context.Context, url, file string) (string, error) {
	body, err := d.get(ctx, url)
	if err != nil {
		return "", err
	}
	defer body.Close()
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, hash), body)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// unpack writes the files of an archive, less the one folder that all of them are
// in, to a folder, and none anywhere else.
func unpack(archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	files := tar.NewReader(io.LimitReader(zip, maxUnpacked))
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		_, name, _ := strings.Cut(strings.TrimPrefix(h.Name, "./"), "/")
		if name == "" {
			continue // the folder itself
		}
		if err := write(root, name, h, files); err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
}

// write makes a folder or a file. Links, of which Grafana's archives have none,
// are left out.
func write(root *os.Root, name string, h *tar.Header, content io.Reader) error {
	switch h.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case tar.TypeReg:
	default:
		return nil
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, h.FileInfo().Mode().Perm()|0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}
