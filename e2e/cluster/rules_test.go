package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/adminsessions/adminsessions/e2e/internal/eventually"
	"github.com/adminsessions/adminsessions/internal/tools"
)

const namespace = "adminsessions"

type ruleGroup struct {
	Name  string
	Rules []any
	text  string
}

// ruleGroups reads the rules for Loki's ruler.
func ruleGroups(t *testing.T) []ruleGroup {
	t.Helper()
	root, err := tools.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "dashboards", "alerts", "loki-ruler.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Groups []yaml.Node }
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	groups := make([]ruleGroup, len(file.Groups))
	for i := range file.Groups {
		if err := file.Groups[i].Decode(&groups[i]); err != nil {
			t.Fatal(err)
		}
		group, err := yaml.Marshal(&file.Groups[i])
		if err != nil {
			t.Fatal(err)
		}
		groups[i].text = string(group)
	}
	return groups
}

var interval = regexp.MustCompile(`(?m)^interval: .*$`)

// loadRules feeds the ruler through its API, as lokitool does, to be evaluated
// more often than they say, so that the test need not wait for it.
func (c *cluster) loadRules(t *testing.T, often string, groups ...ruleGroup) {
	t.Helper()
	for _, g := range groups {
		text := interval.ReplaceAllString(g.text, "interval: "+often)
		if text == g.text {
			t.Fatalf("the group %s has no interval", g.Name)
		}
		if err := call(t.Context(), http.MethodPost, c.url("ruler")+"/loki/api/v1/rules/"+namespace, text); err != nil {
			t.Fatalf("loading the group %s: %v", g.Name, err)
		}
	}
}

// verifyRules finds what the ruler, which may have been killed meanwhile, keeps
// in the bucket: all groups, and each rule evaluated without an error.
func (c *cluster) verifyRules(t *testing.T, groups []ruleGroup, patience time.Duration) {
	t.Helper()
	eventually.NoError(t, patience, "the ruler to evaluate its rules", func() error {
		held, err := c.rules(t.Context())
		if err != nil {
			return err
		}
		for _, g := range groups {
			health, ok := held[g.Name]
			if !ok || len(health) != len(g.Rules) {
				return fmt.Errorf("the group %s has %d rules, want %d", g.Name, len(health), len(g.Rules))
			}
			for name, fault := range health {
				if fault != "" {
					return fmt.Errorf("the rule %s: %s", name, fault)
				}
			}
		}
		return nil
	})
}

// rules are the rules that the ruler has, by group and name, and what is wrong
// with each: nothing if it has been evaluated without an error.
func (c *cluster) rules(ctx context.Context) (map[string]map[string]string, error) {
	body, err := ask(ctx, c.url("ruler")+"/prometheus/api/v1/rules")
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data struct {
			Groups []struct {
				Name  string
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("reading the ruler's rules: %w", err)
	}
	held := map[string]map[string]string{}
	for _, g := range answer.Data.Groups {
		held[g.Name] = map[string]string{}
		for _, r := range g.Rules {
			if r.Health == "ok" {
				held[g.Name][r.Name] = ""
			} else {
				held[g.Name][r.Name] = r.Health + " " + r.LastError
			}
		}
	}
	return held, nil
}
