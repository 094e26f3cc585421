//go:build kubernetes

package kubernetes

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Images are made here, of the machine's programs and the pinned ones, under names
// that no registry has.
const (
	pauseImage      = "test.invalid/pause:1"
	proxyRepository = "test.invalid/adminsessions"
	proxyTag        = "v1"
	panelImage      = "adminsessions/adminpanel:demo" // as deploy/kubernetes/panel.yaml names it
	lokiImage       = "test.invalid/loki:1"
	nginxRepository = "test.invalid/nginx"
	nginxTag        = "v1"
)

// importImages makes the images and hands them to containerd.
func (c *cluster) importImages(t *testing.T) {
	t.Helper()
	busybox, nginx := c.here(t, "busybox"), c.here(t, "nginx")
	c.importImage(t, pauseImage, func(dir string) v1.Config {
		addProgram(t, dir, busybox, "bin/busybox")
		return v1.Config{Entrypoint: []string{"/bin/busybox", "sleep", "infinity"}, User: "65535"}
	})
	// As deploy/package/Dockerfile makes it.
	c.importImage(t, proxyRepository+":"+proxyTag, func(dir string) v1.Config {
		addProgram(t, dir, filepath.Join(c.dir, "adminsessions"), "usr/bin/adminsessions")
		copyInto(t, dir, "etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt")
		own(t, filepath.Join(dir, "var/lib/adminsessions"), 65532, 0o700)
		own(t, filepath.Join(dir, "tmp"), 0, 0o777|os.ModeSticky)
		return v1.Config{
			User: "65532:65532", Entrypoint: []string{"/usr/bin/adminsessions"}, Cmd: []string{"proxy"},
			Env: []string{"ADMINSESSIONS_CONFIG=/etc/adminsessions/proxy.yaml", "ADMINSESSIONS_SPOOL_DIR=/var/lib/adminsessions/spool"},
		}
	})
	c.importImage(t, panelImage, func(dir string) v1.Config {
		addProgram(t, dir, filepath.Join(c.dir, "adminpanel"), "usr/bin/adminpanel")
		own(t, filepath.Join(dir, "tmp"), 0, 0o777|os.ModeSticky)
		return v1.Config{User: "65532:65532", Entrypoint: []string{"/usr/bin/adminpanel"}, Env: []string{"ADMINPANEL_LISTEN=:8080", "ADMINPANEL_METRICS_LISTEN=:9464"}}
	})
	c.importImage(t, lokiImage, func(dir string) v1.Config {
		addProgram(t, dir, c.program(t, "loki"), "usr/bin/loki")
		own(t, filepath.Join(dir, "tmp"), 0, 0o777|os.ModeSticky)
		return v1.Config{User: "10001", Entrypoint: []string{"/usr/bin/loki"}}
	})
	c.importImage(t, nginxRepository+":"+nginxTag, func(dir string) v1.Config {
		addProgram(t, dir, nginx, "usr/sbin/nginx")
		copyInto(t, dir, "etc/nginx/mime.types", "/etc/nginx/mime.types")
		if err := os.WriteFile(filepath.Join(dir, "etc/passwd"), []byte("nginx:x:101:101::/:/bin/false\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return v1.Config{Env: []string{"PATH=/usr/sbin"}, StopSignal: "SIGQUIT", Cmd: []string{"nginx", "-g", "daemon off;"}}
	})
}

func (c *cluster) here(t *testing.T, name string) string {
	t.Helper()
	path, err := lookUp(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// importImage makes an image of one layer, which fill fills.
func (c *cluster) importImage(t *testing.T, ref string, fill func(dir string) v1.Config) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil { // the root of the image's files
		t.Fatal(err)
	}
	config := fill(dir)
	archive := filepath.Join(t.TempDir(), "layer.tar")
	if _, err := command(nil, "tar", "-C", dir, "--numeric-owner", "-cf", archive, "."); err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	file, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Config = "linux", runtime.GOARCH, config
	if image, err = mutate.ConfigFile(image, file); err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(ref)
	if err != nil {
		t.Fatal(err)
	}
	packed := filepath.Join(t.TempDir(), "image.tar")
	if err := tarball.WriteToFile(packed, tag, image); err != nil {
		t.Fatal(err)
	}
	if _, err := command(nil, c.program(t, "ctr"), "--address", criSocket, "--namespace", "k8s.io", "images", "import", packed); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(archive), os.Remove(packed), os.RemoveAll(dir)); err != nil {
		t.Fatal(err)
	}
}

// addProgram copies a program and the libraries that it loads.
func addProgram(t *testing.T, dir, program, to string) {
	t.Helper()
	copyInto(t, dir, to, program)
	libraries, _ := exec.Command("ldd", program).Output() // none for a static one
	for _, m := range regexp.MustCompile(`(/\S+) \(0x`).FindAllSubmatch(libraries, -1) {
		copyInto(t, dir, string(m[1]), string(m[1]))
	}
}

func copyInto(t *testing.T, dir, to, from string) {
	t.Helper()
	to = filepath.Join(dir, to)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := command(nil, "cp", "-L", from, to); err != nil {
		t.Fatal(err)
	}
}

// own makes an empty folder that belongs to a user.
func own(t *testing.T, path string, id int, mode os.FileMode) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, mode), os.Chown(path, id, id)); err != nil {
		t.Fatal(err)
	}
}
