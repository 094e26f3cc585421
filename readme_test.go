package adminsessions_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// The README's example is the one that compiles.
func TestReadmeExampleIsTheQuickstart(t *testing.T) {
	readme := read(t, "README.md")
	program := read(t, "examples/quickstart/main.go")
	_, code, ok := bytes.Cut(program, []byte("\nfunc main() {"))
	if !ok {
		t.Fatal("examples/quickstart/main.go has no main")
	}
	if block := append([]byte("```go\nfunc main() {"), code...); !bytes.Contains(readme, block) {
		t.Error("README.md does not show func main of examples/quickstart as it is")
	}
}

var link = regexp.MustCompile(`\]\(([^)#]+)\)`)

func TestDocumentsLinkToWhatIsThere(t *testing.T) {
	docs, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range append(docs, "README.md", "CONTRIBUTING.md", "SECURITY.md") {
		for _, m := range link.FindAllSubmatch(read(t, doc), -1) {
			target := string(m[1])
			if regexp.MustCompile(`^[a-z]+:`).MatchString(target) {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(doc), target)); err != nil {
				t.Errorf("%s links to %s: %v", doc, target, err)
			}
		}
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
