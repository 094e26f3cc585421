package proxy

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions/internal/gendoc"
	"github.com/adminsessions/adminsessions/internal/spool"
	"github.com/adminsessions/adminsessions/policy/strictyaml"
	"github.com/adminsessions/adminsessions/proof"
)

var update = flag.Bool("update", false, "write the table of docs/proxy.md anew")

const repository = "../../../.."

// docs/proxy.md names every key.
func TestDocumentedKeys(t *testing.T) {
	gendoc.Check(t, filepath.Join(repository, "docs/proxy.md"), *update, func(string) string {
		table, err := strictyaml.Table(Config{}, "policy")
		if err != nil {
			t.Error(err)
		}
		return table
	})
}

// What the documents and the examples show can be used.
func TestDocumentedConfigurationsAreRight(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, "docs/proxy.md"))
	if err != nil {
		t.Fatal(err)
	}
	const panel = "upstreams: [{url: 'http://127.0.0.1:8000'}]\nwho: [{headers: {from: [10.0.0.5/32], email: X-Email}}]\n"
	found := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(found) < 4 {
		t.Fatalf("found %d", len(found))
	}
	elsewhere := t.TempDir() // files that they name
	if _, err := proof.MakeKeyFile(filepath.Join(elsewhere, "trail.key"), "trail"); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"spool.key": spool.RandomKey(), "anchor-token": "t0ken"} {
		if err := os.WriteFile(filepath.Join(elsewhere, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range found {
		config := strings.NewReplacer("/etc/adminsessions/", elsewhere+"/", "/mnt/auditor/", elsewhere+"/").Replace(m[1])
		if !strings.Contains(config, "upstreams:") {
			config = panel + config
		}
		if _, err := Load(file(t, config)); err != nil {
			t.Errorf("%v in\n%s", err, m[1])
		}
	}
	for _, inline := range regexp.MustCompile("`((?:jwt|headers): \\{.*?\\})`").FindAllStringSubmatch(string(text), -1) {
		if _, err := Load(file(t, "upstreams: [{url: 'http://127.0.0.1:8000'}]\nwho:\n- "+inline[1]+"\n")); err != nil {
			t.Errorf("%v in %s", err, inline[1])
		}
	}
	examples, err := filepath.Glob(filepath.Join(repository, "examples/proxy/*/proxy.yaml"))
	if err != nil || len(examples) == 0 {
		t.Fatal("no examples", err)
	}
	for _, path := range examples {
		if _, err := Load(path); err != nil {
			t.Error(err)
		}
	}
}
