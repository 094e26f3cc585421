package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/adminsessions/adminsessions/internal/tools"
)

const namespace = "adminsessions"

type ruleGroup struct {
	Name  string
	Rules []any
	text  string
}

// ruleGroups reads the rules for Loki's ruler. They are evaluated more often
// than they say, so that the test need not wait for it.
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
		groups[i].text = strings.Replace(string(group), "interval: 1m\n", "interval: 5s\n", 1)
	}
	return groups
}

// loadRules feeds the ruler through its API, as lokitool does.
func (c *cluster) loadRules(t *testing.T, groups []ruleGroup) {
	t.Helper()
	for _, g := range groups {
		if err := call(t.Context(), http.MethodPost, c.url("ruler")+"/loki/api/v1/rules/"+namespace, g.text); err != nil {
			t.Fatalf("loading the group %s: %v", g.Name, err)
		}
	}
}

// verifyRules waits until the ruler, which may have been killed meanwhile, has
// evaluated the first group, and finds every rule of it well and all others
// there.
func (c *cluster) verifyRules(t *testing.T, groups []ruleGroup) {
	t.Helper()
	await(t, "the ruler to evaluate its rules", func() error {
		held, err := c.rules(t.Context())
		if err != nil {
			return err
		}
		for i, g := range groups {
			health, ok := held[g.Name]
			if !ok || len(health) != len(g.Rules) {
				return fmt.Errorf("the group %s has %d rules, want %d", g.Name, len(health), len(g.Rules))
			}
			for _, h := range health {
				if i == 0 && h != "ok" {
					return fmt.Errorf("a rule of the group %s is %s", g.Name, h)
				}
			}
		}
		return nil
	})
}

// rules are the states of health of the ruler's rules, by group.
func (c *cluster) rules(ctx context.Context) (map[string][]string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url("ruler")+"/prometheus/api/v1/rules", http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Scope-OrgID", tenant)
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data struct {
			Groups []struct {
				Name  string
				Rules []struct{ Health string }
			}
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	held := map[string][]string{}
	for _, g := range answer.Data.Groups {
		for _, r := range g.Rules {
			held[g.Name] = append(held[g.Name], r.Health)
		}
	}
	return held, nil
}
