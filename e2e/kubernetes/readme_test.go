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
	if len(blocks) != 2 {
		t.Fatalf("%d blocks of values", len(blocks))
	}
	out, said, err := helm(t, "template", "trail", chart(t), "--values", values(t, blocks[0][1]), "--values", values(t, blocks[1][1]))
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	all := decode(t, out)
	if got, err := newContainer(t, program(t), t.TempDir(), all).run("proxy", "check"); err != nil {
		t.Errorf("%v\n%s", err, got)
	}
	// The Service and the claims are named as it says.
	if name := one[*corev1.Service](t, all, "").Name; name != "trail-adminsessions" {
		t.Errorf("Service %s", name)
	}
	if !strings.Contains(string(out), "name: data\n") {
		t.Error("the claims are not data-…")
	}
}
