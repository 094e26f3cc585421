package deploy_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	markdownLink = regexp.MustCompile(`\[[^\]]*\]\(([^)\s]+)\)`)
	// A file of the repository that is only mentioned, or linked at its address
	// on the web, must be there as well.
	mentioned = regexp.MustCompile(`(?:^|[^\w/])((?:docs|deploy|dashboards|examples|tools)/[\w./-]*\w\.(?:md|yaml|yml|json|conf|go))\b`)
	onTheWeb  = regexp.MustCompile(`https://github\.com/adminsessions/adminsessions/blob/main/([\w./-]*\w)`)
	heading   = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
	code      = regexp.MustCompile("(?s)```.*?```")
)

// Every link in documents and runbooks, and every runbook that an alert names,
// leads somewhere.
func TestLinksLeadSomewhere(t *testing.T) {
	top := os.DirFS(root(t))
	read := func(name string) string {
		data, err := fs.ReadFile(top, name)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	exists := func(name string) bool {
		_, err := fs.Stat(top, name)
		return err == nil
	}
	documents := 0
	err := fs.WalkDir(top, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		switch filepath.Ext(name) {
		case ".md":
			documents++
			text := code.ReplaceAllString(read(name), "")
			for _, m := range markdownLink.FindAllStringSubmatch(text, -1) {
				target, anchor, _ := strings.Cut(m[1], "#")
				if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
					continue
				}
				file := name
				if target != "" {
					file = path.Join(path.Dir(name), target)
				}
				if !exists(file) {
					t.Errorf("%s: %s leads nowhere", name, m[1])
				} else if anchor != "" && strings.HasSuffix(file, ".md") && !hasHeading(read(file), anchor) {
					t.Errorf("%s: %s has no heading #%s", name, file, anchor)
				}
			}
		case ".yaml", ".yml", ".json", ".go":
		default:
			return nil
		}
		if strings.HasSuffix(name, "_test.go") {
			return nil
		}
		text := read(name)
		for _, m := range append(mentioned.FindAllStringSubmatch(text, -1), onTheWeb.FindAllStringSubmatch(text, -1)...) {
			if !exists(m[1]) && !exists(m[1]+".example") && !exists(path.Join(path.Dir(name), m[1])) {
				t.Errorf("%s speaks of %s, which is not there", name, m[1])
			}
		}
		return nil
	})
	if err != nil || documents < 20 {
		t.Errorf("%d documents, %v", documents, err)
	}
}

// Every test that a document names is there.
func TestDocumentsNameTestsThatAreThere(t *testing.T) {
	defined := make(map[string]bool)
	named := make(map[string][]string) // by document
	declaration := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	name := regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`)
	err := filepath.WalkDir(root(t), func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules" || d.Name() == ".tools") {
			return fs.SkipDir
		}
		isTest, isDocument := strings.HasSuffix(file, "_test.go"), strings.HasSuffix(file, ".md")
		if !isTest && !isDocument {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if isDocument {
			named[file] = name.FindAllString(string(text), -1)
			return nil
		}
		for _, m := range declaration.FindAllSubmatch(text, -1) {
			defined[string(m[1])] = true
		}
		return nil
	})
	if err != nil || len(defined) < 100 {
		t.Fatalf("%d tests, %v", len(defined), err)
	}
	for document, tests := range named {
		for _, test := range tests {
			if !defined[test] {
				t.Errorf("%s names %s, which is not there", filepath.Base(document), test)
			}
		}
	}
}

// hasHeading reports whether a document has a heading with this anchor, made as
// forges make it.
func hasHeading(text, anchor string) bool {
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		made := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, m[1])
		if made == anchor {
			return true
		}
	}
	return false
}
