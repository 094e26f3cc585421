//go:build containers

package containers

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions/internal/tools"
)

// image makes an image that can't be had otherwise: what a folder holds is laid
// upon busybox, or upon nothing.
type image struct {
	name  string
	empty bool // upon nothing
	fill  func(t *testing.T, dir string)
	owned map[string]int // empty folders and the users to whom they belong
	lines []string       // of the Dockerfile, beside FROM and COPY
}

const busybox = "adminsessions-test/busybox"

// digest is what a name of the compose file says of an image's contents. An image
// that is made here has another one.
var digest = regexp.MustCompile(`@sha256:[0-9a-f]{64}`)

// provide makes the images that the engine neither has nor can pull. It returns
// the compose file, in which those have lost their digests, and whether Grafana's
// image is there.
func (e *engine) provide(t *testing.T, root string, grafana string) (compose string, hasGrafana bool) {
	t.Helper()
	dockerfile := read(t, filepath.Join(root, "examples", "adminpanel", "Dockerfile"))
	e.provideGo(t, root)
	compose = read(t, filepath.Join(root, "docker-compose.yml"))
	static := find(t, dockerfile, `(?m)^FROM (gcr\.io/\S+)`)
	nginx, loki := find(t, compose, `(?m)image: (nginx:\S+)`), find(t, compose, `(?m)image: (grafana/loki:\S+)`)
	images := []image{
		{
			name: static, empty: true, fill: fillStatic, owned: map[string]int{"/home/nonroot": 65532},
			lines: []string{"USER 65532:65532", "WORKDIR /home/nonroot"},
		},
		{name: nginx, fill: func(t *testing.T, dir string) {
			addProgram(t, dir, lookUp(t, "nginx"), "usr/sbin/nginx")
			addUser(t, dir, "nginx", 101)
			copyInto(t, dir, "etc/nginx/mime.types", "/etc/nginx/mime.types")
		}, lines: []string{"ENV PATH=/usr/sbin:/bin", "STOPSIGNAL SIGQUIT"}},
		{name: loki, fill: func(t *testing.T, dir string) {
			addProgram(t, dir, pinned(t, root, "loki"), "usr/bin/loki")
		}, empty: true, owned: map[string]int{"/loki": 10001}, lines: []string{"USER 10001", `ENTRYPOINT ["/usr/bin/loki"]`}},
		{name: find(t, compose, `(?m)image: (prom/prometheus:\S+)`), fill: func(t *testing.T, dir string) {
			addProgram(t, dir, pinned(t, root, "prometheus"), "bin/prometheus")
			addProgram(t, dir, pinned(t, root, "promtool"), "bin/promtool")
		}, empty: true, owned: map[string]int{"/prometheus": 65534}, lines: []string{"USER 65534", `ENTRYPOINT ["/bin/prometheus"]`}},
	}
	for _, i := range images {
		compose = e.provideImage(t, i, compose)
	}
	i := image{name: find(t, compose, `(?m)image: (grafana/grafana:\S+)`), fill: func(t *testing.T, dir string) { fillGrafana(t, dir, grafana) }, owned: map[string]int{
		"/var/lib/grafana": 472, "/usr/share/grafana/plugins-bundled": 472, "/usr/share/grafana/data": 472,
	}, lines: []string{
		"USER 472", "WORKDIR /usr/share/grafana", "ENV PATH=/usr/share/grafana/bin:/bin GF_PATHS_DATA=/var/lib/grafana GF_PATHS_LOGS=/tmp GF_PATHS_PROVISIONING=/etc/grafana/provisioning",
		// The image's own script reads the secret, too.
		`ENTRYPOINT ["sh", "-c", "GF_SECURITY_ADMIN_PASSWORD=$(cat $GF_SECURITY_ADMIN_PASSWORD__FILE) exec grafana server --homepath=/usr/share/grafana"]`,
	}}
	if grafana == "" && !e.hasImage(i.name) {
		t.Log("no image of Grafana, and GRAFANA_HOME names no installation: it is left out")
		return compose, false
	}
	return e.provideImage(t, i, compose), true
}

// provideGo makes the image with Go that the repository's Dockerfiles build in.
func (e *engine) provideGo(t *testing.T, root string) {
	t.Helper()
	name := find(t, read(t, filepath.Join(root, "examples", "adminpanel", "Dockerfile")), `(?m)^FROM (golang:\S+)`)
	e.provideImage(t, image{name: name, fill: func(t *testing.T, dir string) { fillGo(t, dir, root) }, lines: []string{
		"ENV PATH=/usr/local/go/bin:/bin GOPATH=/go GOPROXY=file:///go/pkg/mod/cache/download GOSUMDB=off GOTOOLCHAIN=local HOME=/root",
	}}, "")
}

func (e *engine) hasImage(name string) bool {
	return e.has("docker", "image", "inspect", name) || e.has("docker", "pull", name)
}

// provideImage makes an image unless the engine has it, and then returns the
// compose file without its digest.
func (e *engine) provideImage(t *testing.T, i image, compose string) string {
	t.Helper()
	if e.hasImage(i.name) {
		return compose
	}
	pinned := i.name
	i.name = digest.ReplaceAllString(i.name, "")
	e.build(t, i)
	return strings.ReplaceAll(compose, pinned, i.name)
}

// build makes an image from a folder. The base comes in through docker import.
func (e *engine) build(t *testing.T, i image) {
	t.Helper()
	dir := t.TempDir()
	files := filepath.Join(dir, "files")
	if err := os.Mkdir(files, 0o755); err != nil {
		t.Fatal(err)
	}
	from := "scratch"
	if !i.empty {
		from = busybox
		e.importBusybox(t)
	}
	i.fill(t, files)
	text := "FROM " + from + "\nCOPY files /\n"
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range slices.Sorted(maps.Keys(i.owned)) {
		text += fmt.Sprintf("COPY --chown=%d:%d empty %s\n", i.owned[path], i.owned[path], path)
	}
	text += strings.Join(i.lines, "\n") + "\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	e.must(t, "docker", "build", "-q", "-t", i.name, dir)
	if err := os.RemoveAll(dir); err != nil { // gigabytes, that nobody needs twice
		t.Fatal(err)
	}
	t.Logf("made an image %s", i.name)
}

func (e *engine) importBusybox(t *testing.T) {
	t.Helper()
	if e.has("docker", "image", "inspect", busybox) {
		return
	}
	dir := t.TempDir()
	addProgram(t, dir, lookUp(t, "busybox"), "bin/busybox")
	for name := range strings.FieldsSeq(e.must(t, "busybox", "--list")) {
		if name != "busybox" {
			if err := os.Symlink("busybox", filepath.Join(dir, "bin", name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	addUser(t, dir, "root", 0)
	tmp(t, dir)
	archive := filepath.Join(t.TempDir(), "busybox.tar")
	e.must(t, "tar", "-C", dir, "-cf", archive, ".")
	e.must(t, "docker", "import", archive, busybox)
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

func addUser(t *testing.T, dir, name string, id int) {
	t.Helper()
	write(t, filepath.Join(dir, "etc/passwd"), fmt.Sprintf("%s:x:%d:%d::/:/bin/false\n", name, id, id))
	write(t, filepath.Join(dir, "etc/group"), fmt.Sprintf("%s:x:%d:\n", name, id))
}

// fillGo is a stand-in for the image of Go: this machine's, and what its proxy would
// give to those that build in it.
func fillGo(t *testing.T, dir, root string) {
	t.Helper()
	said, err := exec.Command("go", "env", "GOROOT", "GOMODCACHE", "GOPROXY").Output()
	if err != nil {
		t.Fatal(err)
	}
	env := strings.Fields(string(said))
	tree(t, env[0], filepath.Join(dir, "usr/local/go"))
	fetch := func(module, work string, command ...string) {
		cmd := exec.Command("go", command...)
		cmd.Dir = filepath.Join(root, module)
		cmd.Env = append(os.Environ(), "GOWORK="+work, "GOFLAGS=-modcacherw", "GOMODCACHE="+filepath.Join(dir, "go/pkg/mod"),
			"GOSUMDB=off", "GOPROXY=file://"+env[1]+"/cache/download,"+env[2])
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s in %s: %v\n%s", strings.Join(command, " "), module, err, out)
		}
	}
	// The demo's panel is built of its module alone. The program is built of three that
	// stand for one another, and together they require versions that none requires alone,
	// and that no go.sum may know: what this machine's cache has was checked when it came.
	fetch(".", "off", "mod", "download")
	work := filepath.Join(t.TempDir(), "go.work")
	write(t, work, fmt.Sprintf("go 1.26.0\nuse (\n\t%q\n\t%q\n\t%q\n)\n", root, filepath.Join(root, "policy"), filepath.Join(root, "cmd/adminsessions")))
	write(t, work+".sum", read(t, filepath.Join(root, "go.work.sum")))
	fetch("cmd/adminsessions", work, "list", "-deps", ".")
	if err := os.MkdirAll(filepath.Join(dir, "root"), 0o755); err != nil {
		t.Fatal(err)
	}
	// The program's image has them from there.
	copyInto(t, dir, "etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt")
	tree(t, "/usr/share/zoneinfo", filepath.Join(dir, "usr/share/zoneinfo"))
}

// tmp makes the folder where everybody may write, whatever the umask.
func tmp(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, "tmp")
	if err := errors.Join(os.Mkdir(path, 0o777), os.Chmod(path, 0o777|os.ModeSticky)); err != nil {
		t.Fatal(err)
	}
}

// fillStatic is a stand-in for the image without a system.
func fillStatic(t *testing.T, dir string) {
	t.Helper()
	tmp(t, dir)
	addUser(t, dir, "nonroot", 65532)
	copyInto(t, dir, "etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt")
}

func fillGrafana(t *testing.T, dir, home string) {
	t.Helper()
	for _, name := range []string{"conf", "public"} {
		tree(t, filepath.Join(home, name), filepath.Join(dir, "usr/share/grafana", name))
	}
	addProgram(t, dir, filepath.Join(home, "bin", "grafana"), "usr/share/grafana/bin/grafana")
	addUser(t, dir, "grafana", 472)
}

func pinned(t *testing.T, root, name string) string {
	t.Helper()
	path, err := tools.Find(root, name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func lookUp(t *testing.T, name string) string {
	t.Helper()
	for _, candidate := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	cannot(t, "there is no "+name)
	return ""
}

func find(t *testing.T, text, pattern string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("nothing matches %s", pattern)
	}
	return m[1]
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func copyInto(t *testing.T, dir, to, from string) {
	t.Helper()
	to = filepath.Join(dir, to)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-L", from, to).CombinedOutput(); err != nil {
		t.Fatalf("cp %s: %v: %s", from, err, out)
	}
}

func tree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-rL", from+"/.", to).CombinedOutput(); err != nil {
		t.Fatalf("cp %s: %v: %s", from, err, out)
	}
}
