package dashboards_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions/dashboards"
)

var (
	dashboardLink = regexp.MustCompile(`/d/([A-Za-z0-9-]+)`)
	linkVariable  = regexp.MustCompile(`(?:var-(\w+)=|\$\{(\w+):queryparam\})`)
	unencoded     = regexp.MustCompile(`\$\{__data\.fields\.(\w+)(:\w+)?\}`)
)

func TestLinksLeadSomewhere(t *testing.T) {
	variables := map[string]map[string]bool{}
	all := load(t)
	for _, d := range all {
		variables[d.UID] = map[string]bool{}
		for _, v := range d.Templating.List {
			variables[d.UID][v.Name] = true
		}
	}
	for _, d := range all {
		if len(d.Links) != 1 || d.Links[0].Type != "dashboards" || len(d.Links[0].Tags) != 1 || !d.Links[0].KeepTime || !d.Links[0].IncludeVars {
			t.Errorf("%s: the link to the other dashboards must go by their tag and keep time range and variables", d.file)
		}
		var urls []string
		collectURLs(t, d.data, &urls)
		for _, url := range urls {
			m := dashboardLink.FindStringSubmatch(url)
			if m == nil {
				t.Errorf("%s: link %s is not to a dashboard", d.file, url)
				continue
			}
			target, exists := variables[m[1]]
			if !exists {
				t.Errorf("%s: link to dashboard %s, which does not exist", d.file, m[1])
				continue
			}
			for _, v := range linkVariable.FindAllStringSubmatch(url, -1) {
				if name := v[1] + v[2]; !target[name] {
					t.Errorf("%s: link to %s sets its variable %s, which does not exist", d.file, m[1], name)
				}
			}
			for _, m := range unencoded.FindAllStringSubmatch(url, -1) {
				if m[2] != ":percentencode" && m[1] != "from" && m[1] != "to" {
					t.Errorf("%s: link %s carries %s as it is", d.file, url, m[1])
				}
			}
			// A link to one request holds its time, and so finds it for ever.
			if absolute := strings.Contains(url, "from=${__data.fields.from}&to=${__data.fields.to}"); (m[1] == "adminsessions-event") != absolute {
				t.Errorf("%s: link %s: absolute times are for links to one request", d.file, url)
			}
		}
	}
}

// collectURLs finds every "url" in a dashboard.
func collectURLs(t *testing.T, data json.RawMessage, urls *[]string) {
	t.Helper()
	var object map[string]json.RawMessage
	if json.Unmarshal(data, &object) == nil {
		for key, value := range object {
			var url string
			if key == "url" && json.Unmarshal(value, &url) == nil && url != "URL" { // a heading
				*urls = append(*urls, url)
				continue
			}
			collectURLs(t, value, urls)
		}
		return
	}
	var list []json.RawMessage
	if json.Unmarshal(data, &list) == nil {
		for _, value := range list {
			collectURLs(t, value, urls)
		}
	}
}

var ruleFiles = []string{"alerts/prometheus.yaml", "alerts/loki-ruler.yaml", "../deploy/grafana/provisioning/alerting/adminsessions-rules.yaml"}

// Every alert has a runbook, and every runbook an alert.
func TestRunbooks(t *testing.T) {
	alert := regexp.MustCompile(`(?m)^\s*(?:#\s*)?(?:- alert|title): (AdminSessions\w+)$`)
	runbook := regexp.MustCompile(`runbooks/(\w+)\.md`)
	rules := map[string]string{}
	for _, file := range ruleFiles {
		data, err := os.ReadFile(filepath.FromSlash(file))
		if err != nil {
			t.Fatal(err)
		}
		names := alert.FindAllStringSubmatch(string(data), -1)
		links := runbook.FindAllStringSubmatch(string(data), -1)
		if len(names) == 0 || len(names) != len(links) {
			t.Fatalf("%s: %d alerts and %d runbook links", file, len(names), len(links))
		}
		for i, m := range names {
			rules[m[1]] = file
			if links[i][1] != m[1] {
				t.Errorf("%s: alert %s links to the runbook %s", file, m[1], links[i][1])
			}
		}
	}
	index, err := dashboards.Files.ReadFile("runbooks/README.md")
	if err != nil {
		t.Fatal(err)
	}
	chapter := regexp.MustCompile(`\| \[(\w+)\]\(\w+\.md\) \| .* \| (\[.+\]\(.+\)) \|`)
	more := map[string]string{}
	for _, m := range chapter.FindAllStringSubmatch(string(index), -1) {
		more[m[1]] = "\nMore: " + m[2] + ". [All runbooks](README.md)\n"
	}
	for name, file := range rules {
		data, err := dashboards.Files.ReadFile("runbooks/" + name + ".md")
		if err != nil {
			t.Errorf("%s: alert %s has no runbook", file, name)
			continue
		}
		for _, heading := range []string{"# " + name + "\n", "\n## What it means\n", "\n## What to do\n", "\n## When it is nothing\n"} {
			if !strings.Contains(string(data), heading) {
				t.Errorf("runbooks/%s.md: no heading %q", name, strings.TrimSpace(heading))
			}
		}
		if m := more[name]; m == "" || !strings.HasSuffix(string(data), m) {
			t.Errorf("runbooks/%s.md does not end with the chapter that runbooks/README.md names: %q", name, strings.TrimSpace(m))
		}
	}
	files, err := fs.Glob(dashboards.Files, "runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if name := strings.TrimSuffix(filepath.Base(file), ".md"); rules[name] == "" && name != "README" {
			t.Errorf("%s: no alert of that name", file)
		}
	}
}

// What a runbook names exists: documents, files, alerts, panels and the metrics
// of the rules.
func TestRunbooksNameWhatExists(t *testing.T) {
	document := regexp.MustCompile(`\b(?:docs|deploy|dashboards)/[\w./-]*\w`)
	alert := regexp.MustCompile("`(AdminSessions\\w+)`")
	title := regexp.MustCompile(`\*([A-Z][^*]+)\*`)
	titles := map[string]bool{}
	for _, d := range load(t) {
		titles[d.Title] = true
		for _, p := range d.Panels {
			titles[p.Title] = true
		}
		for _, p := range d.panels() {
			titles[p.Title] = true
		}
	}
	files, err := fs.Glob(dashboards.Files, "runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := dashboards.Files.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		for _, name := range document.FindAllString(text, -1) {
			if _, err := os.Stat(filepath.Join("..", filepath.FromSlash(path.Clean(name)))); err != nil {
				t.Errorf("%s names %s, which does not exist", file, name)
			}
		}
		for _, m := range alert.FindAllStringSubmatch(text, -1) {
			if _, err := dashboards.Files.ReadFile("runbooks/" + m[1] + ".md"); err != nil {
				t.Errorf("%s names the alert %s, which does not exist", file, m[1])
			}
		}
		for _, m := range title.FindAllStringSubmatch(strings.ReplaceAll(text, "**", ""), -1) {
			if !titles[m[1]] {
				t.Errorf("%s names *%s*, which is neither a dashboard nor a panel", file, m[1])
			}
		}
	}
}
