package release

import (
	"os"
	pathpkg "path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/adminsessions/adminsessions/internal/tools"
)

// What others make is kept current wherever it is named.
func TestDependabotKnowsEveryFolder(t *testing.T) {
	root, err := tools.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, ".github", "dependabot.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Updates []struct {
			Ecosystem   string   `yaml:"package-ecosystem"`
			Directory   string   `yaml:"directory"`
			Directories []string `yaml:"directories"`
		} `yaml:"updates"`
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	known := map[string][]string{}
	for _, u := range config.Updates {
		known[u.Ecosystem] = append(known[u.Ecosystem], u.Directories...)
		if u.Directory != "" {
			known[u.Ecosystem] = append(known[u.Ecosystem], u.Directory)
		}
	}
	// Where a pinned program's replace directives move with it, that is done by hand.
	byHand := func(file string) bool {
		text, _ := os.ReadFile(filepath.Join(root, file))
		return strings.HasPrefix(file, "tools/") && strings.Contains(string(text), "\nreplace ")
	}
	for ecosystem, file := range map[string]string{"gomod": "go.mod", "docker": "Dockerfile", "npm": "package.json", "docker-compose": "docker-compose.yml", "github-actions": ".github/workflows/test.yml"} {
		steps := steps{err: &err}
		found := steps.run(root, nil, "git", "ls-files", file, "*/"+file)
		if err != nil {
			t.Fatal(err)
		}
		if found == "" {
			t.Errorf("there is no %s any more", file)
		}
		for name := range strings.FieldsSeq(found) {
			dir := pathpkg.Join("/", strings.TrimSuffix(name, file))
			covers := func(pattern string) bool { ok, _ := pathpkg.Match(pattern, dir); return ok }
			if !byHand(name) && !slices.ContainsFunc(known[ecosystem], covers) {
				t.Errorf("%s in %s is not updated", file, dir)
			}
		}
	}
}
