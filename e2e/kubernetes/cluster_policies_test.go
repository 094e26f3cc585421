//go:build kubernetes

package kubernetes

import (
	"fmt"
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
	for _, namespace := range []string{"panel", "monitoring"} {
		r.apply(t, `apiVersion: v1
kind: Pod
metadata: {name: visitor, labels: {app: visitor}}
spec:
  securityContext: {runAsNonRoot: true, runAsUser: 101, seccompProfile: {type: RuntimeDefault}}
  terminationGracePeriodSeconds: 1
  containers:
    - name: visitor
      image: `+nginxRepository+`:`+nginxTag+`
      command: [sleep, "3600"]
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`, "-n", namespace)
		r.kubectl(t, "-n", namespace, "wait", "pod/visitor", "--for=condition=Ready", "--timeout=1m")
	}
	for _, c := range []struct {
		from, what, url string
		reaches         bool
	}{
		{"panel", "the gateway that answers", "http://loki-read.loki.svc:3100/loki/api/v1/labels", true},
		{"panel", "the gateway that takes pushes", "http://loki-push.loki.svc:3100/healthz", true},
		{"panel", "Loki", "http://loki.loki.svc:3100/ready", false},
		{"panel", "the panel past its proxy", "http://panel.panel.svc:8000/", false},
		{"panel", "the proxy", "http://trail-adminsessions.panel.svc/clients/0", true},
		{"panel", "the proxy's metrics", "http://" + r.pod(t, first, ".status.podIP") + ":9465/metrics", false},
		{"monitoring", "the proxy's metrics", "http://" + r.pod(t, first, ".status.podIP") + ":9465/metrics", true},
		{"monitoring", "the gateway that answers", "http://loki-read.loki.svc:3100/loki/api/v1/labels", false},
		{"monitoring", "the gateway that takes pushes", "http://loki-push.loki.svc:3100/healthz", false},
		{"monitoring", "Loki", "http://loki.loki.svc:3100/ready", false},
		{"monitoring", "the panel past its proxy", "http://panel.panel.svc:8000/", false},
	} {
		r.await(t, fmt.Sprintf("a pod in %s reaches %s: %t", c.from, c.what, c.reaches), func() error {
			out, err := r.run("-n", c.from, "exec", "visitor", "--", "wget", "-T", "3", "-qO", "/dev/null", c.url)
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
