//go:build kubernetes

package kubernetes

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// testDefinitions installs the operators' definitions of their kinds: the Prometheus
// operator's, and those of Grafana's if GRAFANA_OPERATOR_CRDS names their folder
// (config/crd/bases of its repository): it is no module that could be required.
func (c *cluster) testDefinitions(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(c.dir, "definitions", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no definitions: %v", err)
	}
	if dir := os.Getenv("GRAFANA_OPERATOR_CRDS"); dir != "" {
		for _, kind := range []string{"grafanadashboards", "grafanadatasources"} {
			files = append(files, filepath.Join(dir, "grafana.integreatly.org_"+kind+".yaml"))
		}
	} else {
		t.Log("GRAFANA_OPERATOR_CRDS names no folder: what is for Grafana's operator is judged by the types of this package only")
	}
	for _, file := range files {
		c.kubectl(t, "apply", "--server-side", "-f", file)
	}
	c.kubectl(t, "wait", "customresourcedefinitions", "--all", "--for=condition=Established", "--timeout=1m")
}

// testValidation has the API server judge all that may be rendered, strictly: a field
// that does not exist is an error, and so is a warning, of a deprecated kind or of a
// pod that the restricted standard would refuse.
func (c *cluster) testValidation(t *testing.T) {
	c.namespaces(t)
	judge := func(t *testing.T, manifests string) string {
		t.Helper()
		cmd := exec.Command(c.kubectlIs, c.asAdmin([]string{"apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"})...)
		cmd.Stdin = strings.NewReader(manifests)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		_ = cmd.Run()
		var wrong []string
		for line := range strings.Lines(out.String()) {
			if !strings.HasSuffix(strings.TrimSpace(line), "serverside-applied (server dry run)") {
				wrong = append(wrong, line)
			}
		}
		if n := strings.Count(out.String(), "serverside-applied"); len(wrong) == 0 {
			t.Logf("%d objects", n)
		}
		return strings.Join(wrong, "")
	}
	rendered := map[string]string{"panel.yaml": string(read(t, "deploy", "kubernetes", "panel.yaml"))}
	for _, file := range cases(t) {
		out, said, err := helm(t, "template", "trail", chart(t), "-n", "panel", "--values", file)
		if err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		rendered[filepath.Base(file)] = string(out)
	}
	for name, manifests := range rendered {
		t.Run(name, func(t *testing.T) {
			if os.Getenv("GRAFANA_OPERATOR_CRDS") == "" {
				manifests = without(manifests, "grafana.integreatly.org/")
			}
			if wrong := judge(t, manifests); wrong != "" {
				t.Error(wrong)
			}
		})
	}
	for from, to := range map[string]string{
		"terminationGracePeriodSeconds:": "terminationGracePeriod:",
		"maxUnavailable: 1":              "maxUnavailable: some",
		"policyTypes: [Ingress]":         "policyTypes: [Ingres]",
	} {
		if manifests := rendered["proxy.yaml"]; !strings.Contains(manifests, from) || judge(t, strings.ReplaceAll(manifests, from, to)) == "" {
			t.Errorf("%s passes", to)
		}
	}
}

// without leaves out the objects of an API.
func without(manifests, api string) string {
	var kept []string
	for doc := range strings.SplitSeq(manifests, "\n---\n") {
		if !strings.Contains(doc, "\napiVersion: "+api) {
			kept = append(kept, doc)
		}
	}
	return strings.Join(kept, "\n---\n")
}
