package kubernetes

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/adminsessions/adminsessions/internal/tools"
)

func root(t *testing.T) string {
	t.Helper()
	dir, err := tools.Root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func chart(t *testing.T) string {
	t.Helper()
	return filepath.Join(root(t), "deploy", "kubernetes", "adminsessions")
}

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{root(t)}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// helm runs Helm and returns its output, and what it says besides.
func helm(t *testing.T, args ...string) (stdout []byte, stderr string, err error) {
	t.Helper()
	bin, err := tools.Find(root(t), "helm")
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	cmd := exec.Command(bin, args...)
	cmd.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	return out.Bytes(), said.String(), err
}

// values writes values to a file.
func values(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// cases are the files of values that come with the chart.
func cases(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(chart(t), "ci", "*.yaml"))
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files of values in ci: %v", len(files), err)
	}
	return files
}

// render renders the chart with one of its files of values, and further values
// above it.
func render(t *testing.T, file string, further ...string) manifests {
	t.Helper()
	args := []string{"template", "trail", chart(t), "--namespace", "panel", "--values", filepath.Join(chart(t), "ci", file)}
	for _, v := range further {
		args = append(args, "--values", values(t, v))
	}
	out, said, err := helm(t, args...)
	if err != nil {
		t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, said)
	}
	return decode(t, out)
}

// manifest is one object.
type manifest struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	object any
}

type manifests []manifest

// kinds are what may be rendered, and what each is read into.
var kinds = map[string]func() any{
	"v1/ConfigMap":                                      func() any { return new(corev1.ConfigMap) },
	"v1/Service":                                        func() any { return new(corev1.Service) },
	"apps/v1/StatefulSet":                               func() any { return new(appsv1.StatefulSet) },
	"apps/v1/Deployment":                                func() any { return new(appsv1.Deployment) },
	"policy/v1/PodDisruptionBudget":                     func() any { return new(policyv1.PodDisruptionBudget) },
	"networking.k8s.io/v1/NetworkPolicy":                func() any { return new(networkingv1.NetworkPolicy) },
	"monitoring.coreos.com/v1/PodMonitor":               func() any { return new(monitoringv1.PodMonitor) },
	"monitoring.coreos.com/v1/PrometheusRule":           func() any { return new(monitoringv1.PrometheusRule) },
	"grafana.integreatly.org/v1beta1/GrafanaDashboard":  func() any { return new(grafanaDashboard) },
	"grafana.integreatly.org/v1beta1/GrafanaDatasource": func() any { return new(grafanaDatasource) },
}

// decode reads manifests strictly: a field that does not exist, or is there twice,
// is a mistake.
func decode(t *testing.T, text []byte) manifests {
	t.Helper()
	var all manifests
	seen := make(map[string]bool)
	for doc := range strings.SplitSeq("\n"+string(text), "\n---") {
		var m manifest
		if err := yaml.Unmarshal([]byte(doc), &m); err != nil {
			t.Fatalf("%v\n%s", err, doc)
		}
		if m.Kind == "" {
			var nothing any
			if err := yaml.Unmarshal([]byte(doc), &nothing); err != nil || nothing != nil {
				t.Errorf("no object: %v\n%s", err, doc)
			}
			continue
		}
		kind := m.APIVersion + "/" + m.Kind
		object, ok := kinds[kind]
		if !ok {
			t.Errorf("%s %s: what is that?", kind, m.Name)
			continue
		}
		m.object = object()
		if err := yaml.UnmarshalStrict([]byte(doc), m.object); err != nil {
			t.Errorf("%s %s: %v", kind, m.Name, err)
		}
		if id := m.Namespace + "/" + kind + "/" + m.Name; seen[id] {
			t.Errorf("%s is there twice", id)
		} else {
			seen[id] = true
		}
		all = append(all, m)
	}
	return all
}

// of returns the objects of a type.
func of[T any](all manifests) []T {
	var found []T
	for _, m := range all {
		if o, ok := m.object.(T); ok {
			found = append(found, o)
		}
	}
	return found
}

// one returns the only object of a type, or that of a name.
func one[T any](t *testing.T, all manifests, name string) T {
	t.Helper()
	var found []T
	for _, m := range all {
		if o, ok := m.object.(T); ok && (name == "" || m.Name == name) {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d objects of type %T named %q, want one", len(found), *new(T), name)
	}
	return found[0]
}

// groups are rules as Prometheus and Loki's ruler have them.
type groups struct {
	Groups []struct {
		Name     string `json:"name"`
		Interval string `json:"interval"`
		Rules    []rule `json:"rules"`
	} `json:"groups"`
}

type rule struct {
	Alert         string            `json:"alert"`
	Expr          string            `json:"expr"`
	For           string            `json:"for,omitempty"`
	KeepFiringFor string            `json:"keep_firing_for,omitempty"`
	Labels        map[string]string `json:"labels"`
	Annotations   map[string]string `json:"annotations"`
}

// What is said of kinds that Grafana's operator brings, by its own definitions
// (grafana-operator 5).
type grafanaDashboard struct {
	manifest `json:",inline"`
	Spec     struct {
		InstanceSelector          metav1.LabelSelector `json:"instanceSelector"`
		AllowCrossNamespaceImport bool                 `json:"allowCrossNamespaceImport"`
		Folder                    string               `json:"folder"`
		ConfigMapRef              struct {
			Name string `json:"name"`
			Key  string `json:"key"`
		} `json:"configMapRef"`
	} `json:"spec"`
}

type grafanaDatasource struct {
	manifest `json:",inline"`
	Spec     struct {
		InstanceSelector          metav1.LabelSelector `json:"instanceSelector"`
		AllowCrossNamespaceImport bool                 `json:"allowCrossNamespaceImport"`
		UID                       string               `json:"uid"`
		DataSource                dataSource           `json:"datasource"`
	} `json:"spec"`
}

type dataSource struct {
	Name     string         `json:"name"`
	UID      string         `json:"uid,omitempty"`
	Type     string         `json:"type"`
	Access   string         `json:"access"`
	URL      string         `json:"url"`
	Editable bool           `json:"editable"`
	JSONData map[string]any `json:"jsonData"`
}
