package deploy_test

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Every variable and metric that a document or a deployment names is one that the
// code knows.
func TestNamedVariablesAndMetricsAreThere(t *testing.T) {
	name := regexp.MustCompile(`\b(?:ADMINSESSIONS_[A-Z_]*[A-Z]|ADMINPANEL_[A-Z_]*[A-Z]|adminsessions_[a-z_]*(?:total|bytes|events|seconds|up|number|pending))\b`)
	var code bytes.Buffer
	named := make(map[string]map[string]bool) // by name, the files
	err := filepath.WalkDir(root(t), func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == ".git" || d.Name() == "node_modules" || d.Name() == ".tools" || d.Name() == ".data" {
				return fs.SkipDir
			}
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		base := filepath.Base(file)
		switch {
		case base == "CHANGELOG.md":
		case strings.HasSuffix(base, ".go"), strings.Contains(file, "/deploy/grafana/"), base == "docker-compose.yml":
			code.Write(text) // the last two read variables of their own
			if base != "docker-compose.yml" {
				break
			}
			fallthrough
		case strings.HasSuffix(base, ".md"), strings.HasSuffix(base, ".yaml"), strings.HasSuffix(base, ".yml"):
			for _, n := range name.FindAllString(string(text), -1) {
				if named[n] == nil {
					named[n] = make(map[string]bool)
				}
				named[n][base] = true
			}
		}
		return nil
	})
	if err != nil || len(named) < 30 {
		t.Fatalf("%d names, %v", len(named), err)
	}
	for n, files := range named {
		// Histograms have series of their own.
		series := regexp.MustCompile(`_(?:bucket|count|sum)$`).ReplaceAllString(n, "")
		if !regexp.MustCompile(`\b` + regexp.QuoteMeta(series) + `\b`).Match(code.Bytes()) {
			t.Errorf("%v names %s, which the code does not know", keys(files), n)
		}
	}
}

func keys(m map[string]bool) (k []string) {
	for key := range m {
		k = append(k, key)
	}
	return k
}

// The panel's pods: health is their own, volumes stay, nobody is root.
func TestKubernetes(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root(t), "deploy", "kubernetes", "panel.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	type probe struct {
		HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
	}
	type object struct {
		Kind string
		Spec struct {
			Retention map[string]string `yaml:"persistentVolumeClaimRetentionPolicy"`
			Template  struct {
				Spec struct {
					Grace      int            `yaml:"terminationGracePeriodSeconds"`
					Security   map[string]any `yaml:"securityContext"`
					Containers []struct {
						Readiness probe          `yaml:"readinessProbe"`
						Liveness  probe          `yaml:"livenessProbe"`
						Security  map[string]any `yaml:"securityContext"`
						Resources map[string]any
					}
				}
			}
		}
	}
	kinds := make(map[string]object)
	for decoder := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var o object
		if err := decoder.Decode(&o); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		kinds[o.Kind] = o
	}
	set, ok := kinds["StatefulSet"]
	if !ok || len(set.Spec.Template.Spec.Containers) != 1 {
		t.Fatalf("there is no StatefulSet of one container among %v", kinds)
	}
	if r := set.Spec.Retention; r["whenDeleted"] != "Retain" || r["whenScaled"] != "Retain" {
		t.Errorf("volumes with a spool are removed: %v", r)
	}
	pod, container := set.Spec.Template.Spec, set.Spec.Template.Spec.Containers[0]
	if pod.Grace < 15 {
		t.Errorf("the panel gets %d s to end; it may need 8", pod.Grace)
	}
	if get := container.Readiness.HTTPGet; get.Path != "/healthz" || get.Port != "http" {
		t.Errorf("readiness asks %+v", get)
	}
	if container.Liveness.HTTPGet.Path == "/readyz" {
		t.Error("a panel would be restarted because Loki is away")
	}
	if pod.Security["runAsNonRoot"] != true || container.Security["readOnlyRootFilesystem"] != true || container.Security["allowPrivilegeEscalation"] != false || container.Resources["limits"] == nil {
		t.Errorf("the pod may do more than it needs: %v %v %v", pod.Security, container.Security, container.Resources)
	}
}
