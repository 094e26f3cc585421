//go:build kubernetes

package kubernetes

import (
	"fmt"
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
		from, what, url string
		reaches         bool
	}{
		{"panel", "the gateway that answers", "http://" + r.address(t, "loki", "loki-read") + "/loki/api/v1/labels", true},
		{"panel", "the gateway that takes pushes", "http://" + r.address(t, "loki", "loki-push") + "/healthz", true},
		{"panel", "Loki", "http://" + r.address(t, "loki", "loki") + "/ready", false},
		{"panel", "the panel past its proxy", "http://" + r.address(t, "panel", "panel") + "/", false},
		{"panel", "the proxy", "http://" + r.address(t, "panel", "trail-adminsessions") + "/clients/0", true},
		{"panel", "the proxy's metrics", "http://" + r.pod(t, first, ".status.podIP") + ":9465/metrics", false},
		{"monitoring", "the proxy's metrics", "http://" + r.pod(t, first, ".status.podIP") + ":9465/metrics", true},
		{"monitoring", "the gateway that answers", "http://" + r.address(t, "loki", "loki-read") + "/loki/api/v1/labels", false},
		{"monitoring", "the gateway that takes pushes", "http://" + r.address(t, "loki", "loki-push") + "/healthz", false},
		{"monitoring", "Loki", "http://" + r.address(t, "loki", "loki") + "/ready", false},
		{"monitoring", "the panel past its proxy", "http://" + r.address(t, "panel", "panel") + "/", false},
	} {
		r.await(t, fmt.Sprintf("a pod in %s reaches %s: %t", c.from, c.what, c.reaches), func() error {
			// This machine's program, in the pod's network.
			out, err := command(nil, "nsenter", "--net", "--target", visitors[c.from], r.here(t, "busybox"), "wget", "-T", "3", "-qO", "/dev/null", c.url)
			if err != nil && !strings.Contains(err.Error(), "wget: ") {
				return err // it could not even try
			}
			if (err == nil) != c.reaches {
				return fmt.Errorf("reached %t: %s %w", err == nil, out, err)
			}
			return nil
		})
	}
	for _, namespace := range []string{"panel", "monitoring"} {
		r.kubectl(t, "-n", namespace, "delete", "pod", "visitor")
	}
}
