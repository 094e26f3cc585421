// Command generate writes the Grafana dashboards and the alerting rules of the
// trail: what stands in dashboards/*.json, dashboards/alerts and
// deploy/grafana/provisioning/alerting is its output, and is not edited by hand.
//
//	generate -out ../..
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/table"
)

//go:generate go run . -out ../..

func main() {
	out := flag.String("out", "../..", "the repository's top folder")
	flag.Parse()
	files, err := generate()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(*out, filepath.FromSlash(name)), data, 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// generate returns every file by its path in the repository.
func generate() (map[string][]byte, error) {
	files := alertFiles()
	index, err := runbookIndex(slices.Concat(trailAlerts(), pipelineAlerts()))
	if err != nil {
		return nil, err
	}
	files["dashboards/runbooks/README.md"] = index
	for name, b := range map[string]*builder{
		"admin-sessions": sessions(),
		"phone":          phone(),
		"activity":       activity(),
		"admin":          admin(),
		"event":          request(),
		"pipeline":       pipeline(),
		"object":         ofObject(),
		"changes":        changes(),
		"session-list":   sessionList(),
	} {
		d, err := b.Build()
		if err != nil {
			return nil, fmt.Errorf("dashboard %s: %w", name, err)
		}
		withoutFooters(d.Panels)
		var buf bytes.Buffer
		e := json.NewEncoder(&buf)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(d); err != nil {
			return nil, fmt.Errorf("dashboard %s: %w", name, err)
		}
		files["dashboards/"+name+".json"] = buf.Bytes()
	}
	return files, nil
}

// withoutFooters leaves out an option that the SDK gives every table and that
// Grafana no longer has.
func withoutFooters(panels []dashboard.PanelOrRowPanel) {
	for _, p := range panels {
		if p.RowPanel != nil {
			for _, inner := range p.RowPanel.Panels {
				withoutFooter(inner)
			}
		} else {
			withoutFooter(*p.Panel)
		}
	}
}

func withoutFooter(p dashboard.Panel) {
	if o, ok := p.Options.(*table.Options); ok {
		o.Footer = nil
	}
}
