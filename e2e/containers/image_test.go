//go:build containers

package containers

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/freeport"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/internal/tools"
)

// The program's image, built as a release builds it, records in front of a panel: as
// nobody, with nothing that it could write but its spool. What is in its spool when
// it is killed is delivered by the next.
func TestImage(t *testing.T) {
	root, err := tools.Root()
	if err != nil {
		t.Fatal(err)
	}
	e := startEngine(t)
	e.provideGo(t, root)
	const name, commit = "adminsessions-test/adminsessions", "0123456789abcdef0123456789abcdef01234567"
	e.must(t, "docker", "build", "-q", "-t", name, "-f", filepath.Join(root, "deploy/package/Dockerfile"),
		"--build-arg", "BUILDPLATFORM=linux/"+runtime.GOARCH, "--build-arg", "COMMIT="+commit, root)
	if said := e.must(t, "docker", "run", "--rm", name, "--version"); !strings.HasPrefix(said, "adminsessions "+adminsessions.Version+" ("+commit[:12]+") ") {
		t.Errorf("it says %q", said)
	}

	panel := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer panel.Close()
	loki := lokitest.Start(t)
	listen := "127.0.0.1:" + freeport.Port(t)
	config := filepath.Join(t.TempDir(), "proxy.yaml")
	text := fmt.Sprintf("listen: %s\noperators: %s\nupstreams: [{url: %q}]\nservice: {name: panel}\nwho: [{basic: {}}]\n", listen, "127.0.0.1:"+freeport.Port(t), panel.URL)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil { // another user reads it
		t.Fatal(err)
	}
	volume := "adminsessions-test-" + freeport.Port(t)
	run := func() string {
		return e.must(t, "docker", "run", "-d", "--network", "host", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
			"-v", volume+":/var/lib/adminsessions", "-v", config+":/etc/adminsessions/proxy.yaml:ro", "-e", "ADMINSESSIONS_LOKI_URL="+loki.URL(), name)
	}
	ask := func(path string) error {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "http://"+listen+path, nil)
		if err != nil {
			return err
		}
		r.SetBasicAuth("anna", "secret")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusNoContent {
			return fmt.Errorf("answered with %s", answer.Status)
		}
		return nil
	}

	container := run()
	t.Cleanup(func() {
		if t.Failed() {
			said, _ := e.run("sh", "-c", "docker logs "+container+" 2>&1 | tail -30")
			t.Logf("the container said last:\n%s", said)
		}
		e.must(t, "docker", "rm", "-f", container)
		e.must(t, "docker", "volume", "rm", volume)
	})
	if who := strings.Fields(e.must(t, "docker", "top", container, "-o", "pid,uid")); len(who) != 4 || who[3] != "65532" {
		t.Errorf("it runs as %q", who)
	}
	await(t, "the proxy", func() error { return ask("/admin/clients/1") })

	// Loki is away, the container is killed, another one takes its spool.
	loki.Pause()
	if err := ask("/admin/clients/2"); err != nil {
		t.Error(err)
	}
	e.must(t, "docker", "rm", "-f", container)
	loki.Resume()
	container = run()
	await(t, "the next proxy", func() error { return ask("/admin/clients/3") })
	for path := range strings.FieldsSeq("/admin/clients/1 /admin/clients/2 /admin/clients/3") {
		if got := loki.Await(t.Context(), `{service_name="panel"} |= " id=anna " |= "`+path+`\""`, lokitest.Last(time.Hour), 1); len(got) != 1 {
			t.Errorf("%s is recorded %d times", path, len(got))
		}
	}
	e.must(t, "docker", "stop", "-t", "30", container)
	if status := e.must(t, "docker", "inspect", "-f", "{{.State.ExitCode}}", container); status != "0" {
		t.Errorf("stopped, it ends with %s", status)
	}

	// What it is made of is told in it.
	doc := filepath.Join(t.TempDir(), "doc")
	e.must(t, "docker", "cp", container+":/usr/share/doc/adminsessions", doc)
	for file, want := range map[string]string{"copyright": "\nFiles: github.com/alecthomas/kong/*\n", "LICENSE": "Apache License"} {
		if got := read(t, filepath.Join(doc, file)); !strings.Contains(got, want) {
			t.Errorf("%s lacks %q", file, want)
		}
	}
}
