package kubernetes

import (
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// The values that deploy/kubernetes/README.md shows work.
func TestReadme(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(read(t, "deploy", "kubernetes", "README.md")), -1)
	if len(blocks) != 3 {
		t.Fatalf("%d blocks of values", len(blocks))
	}
	args := []string{"template", "trail", chart(t)}
	for _, block := range blocks {
		args = append(args, "--values", values(t, block[1]))
	}
	out, said, err := helm(t, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	all := decode(t, out)
	if got, err := newContainer(t, program(t), t.TempDir(), all).run("proxy", "check"); err != nil {
		t.Errorf("%v\n%s", err, got)
	}
	// The Service and the claims are named as it says.
	for _, name := range []string{"trail-adminsessions", "loki-push", "loki-read"} {
		one[*corev1.Service](t, all, name)
	}
	if !strings.Contains(string(out), "name: data\n") {
		t.Error("the claims are not data-…")
	}
}
