//go:build kubernetes

package kubernetes

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// testPolicies finds the NetworkPolicies and, where they are enforced, tries from pods
// who reaches what.
func (r *release) testPolicies(t *testing.T) {
	for namespace, names := range map[string][]string{"loki": {"loki-push", "loki-read", "trail-adminsessions-loki"}, "panel": {"trail-adminsessions", "trail-adminsessions-panel"}} {
		got := r.kubectl(t, "-n", namespace, "get", "networkpolicy", "-o", "name")
		for _, name := range names {
			if !strings.Contains(got+"\n", "/"+name+"\n") {
				t.Errorf("no NetworkPolicy %s: %s", name, got)
			}
		}
	}
	if !r.enforced {
		t.Log("accepted by the API server; nobody enforces them here")
		return
	}
	visitors := map[string]string{} // their processes, by namespace
	for _, namespace := range []string{"panel", "monitoring"} {
		r.apply(t, `apiVersion: v1
kind: Pod
metadata: {name: visitor, labels: {app: visitor}}
spec:
  securityContext: {runAsNonRoot: true, runAsUser: 101, seccompProfile: {type: RuntimeDefault}}
  terminationGracePeriodSeconds: 1
  containers:
    - name: visitor
      image: `+pauseImage+`
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`, "-n", namespace)
		r.kubectl(t, "-n", namespace, "wait", "pod/visitor", "--for=condition=Ready", "--timeout=1m")
		visitors[namespace] = strconv.Itoa(r.process(t, namespace, "visitor"))
	}
	for _, c := range []struct {
		from, what, address string
		reaches             bool
	}{
		{"panel", "the gateway that answers", r.address(t, "loki", "loki-read"), true},
		{"panel", "the gateway that takes pushes", r.address(t, "loki", "loki-push"), true},
		{"panel", "Loki", r.address(t, "loki", "loki"), false},
		{"panel", "the panel past its proxy", r.address(t, "panel", "panel"), false},
		{"panel", "the proxy", r.address(t, "panel", "trail-adminsessions"), true},
		{"panel", "the proxy's metrics", r.pod(t, first, ".status.podIP") + ":9465", false},
		{"monitoring", "the proxy's metrics", r.pod(t, first, ".status.podIP") + ":9465", true},
		{"monitoring", "the gateway that answers", r.address(t, "loki", "loki-read"), false},
		{"monitoring", "the gateway that takes pushes", r.address(t, "loki", "loki-push"), false},
		{"monitoring", "Loki", r.address(t, "loki", "loki"), false},
		{"monitoring", "the panel past its proxy", r.address(t, "panel", "panel"), false},
	} {
		r.await(t, fmt.Sprintf("a pod in %s reaches %s: %t", c.from, c.what, c.reaches), func() error {
			_, err := command(nil, "nsenter", "--net", "--target", visitors[c.from], "timeout", "3", "bash", "-c", "</dev/tcp/"+strings.Replace(c.address, ":", "/", 1))
			if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
				return err
			}
			if (err == nil) != c.reaches {
				return fmt.Errorf("reached: %t (%w)", err == nil, err)
			}
			return nil
		})
	}
	for _, namespace := range []string{"panel", "monitoring"} {
		r.kubectl(t, "-n", namespace, "delete", "pod", "visitor")
	}
}
