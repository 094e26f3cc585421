package kubernetes

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// The gateways are those of deploy/gateway, in front of another Loki and with
// another resolver.
func TestGateways(t *testing.T) {
	all := render(t, "everything.yaml")
	for _, side := range []string{"push", "read"} {
		name := "loki-" + side
		conf := one[*corev1.ConfigMap](t, all, name).Data[side+".conf"]
		want := strings.NewReplacer(
			"resolver 127.0.0.11 ", "resolver 10.96.0.10 ", "set $loki http://loki:3100;", "set $loki http://loki-gateway.loki.svc.cluster.local:80;", "# Docker's. Asked", "# Asked",
		).Replace(string(read(t, "deploy", "gateway", side+".conf")))
		if conf != want {
			t.Errorf("%s is not deploy/gateway/%s.conf:\n%s", name, side, conf)
		}
		pods := one[*appsv1.Deployment](t, all, name).Spec.Template
		if c := pods.Spec.Containers[0]; c.Command[2] != "/etc/adminsessions/"+side+".conf" || !strings.HasPrefix(c.Image, "docker.io/library/nginx@sha256:") {
			t.Errorf("%s runs %q of %s", name, c.Command, c.Image)
		}
		if s := one[*corev1.Service](t, all, name).Spec; s.Ports[0].Port != 3100 || !matches(t, &metav1.LabelSelector{MatchLabels: s.Selector}, pods.Labels) {
			t.Errorf("Service %s leads to %v", name, s.Selector)
		}
		for _, m := range all {
			if m.Name == name && m.Namespace != "loki" {
				t.Errorf("%s %s is in %q", m.Kind, m.Name, m.Namespace)
			}
		}
	}
	if one[*appsv1.Deployment](t, all, "loki-push").Spec.Template.Annotations["checksum/config"] == one[*appsv1.Deployment](t, all, "loki-read").Spec.Template.Annotations["checksum/config"] {
		t.Error("another configuration is not another pod")
	}
	if found := of[*appsv1.Deployment](render(t, "proxy.yaml")); len(found) > 0 {
		t.Error("gateways nobody asked for")
	}
}

// Only the gateways reach Loki, and only who is named reaches each of them.
func TestWhoReachesLoki(t *testing.T) {
	all := render(t, "everything.yaml")
	push, ask := one[*appsv1.Deployment](t, all, "loki-push").Spec.Template.Labels, one[*appsv1.Deployment](t, all, "loki-read").Spec.Template.Labels
	lokis := map[string]string{"app.kubernetes.io/name": "loki", "app.kubernetes.io/instance": "loki"}
	proxies := one[*appsv1.StatefulSet](t, all, "").Spec.Template.Labels

	policy := one[*networkingv1.NetworkPolicy](t, all, "audit-loki")
	if policy.Namespace != "loki" || !matches(t, &policy.Spec.PodSelector, lokis) || matches(t, &policy.Spec.PodSelector, push) || matches(t, &policy.Spec.PodSelector, ask) {
		t.Errorf("the policy is for others: %+v", policy.Spec.PodSelector)
	}
	for name, c := range map[string]struct {
		pod  map[string]string
		want bool
	}{"loki-push": {push, true}, "loki-read": {ask, true}, "Loki itself": {lokis, true}, "the proxies": {proxies, false}, "others": {map[string]string{"app": "other"}, false}} {
		got := slices.ContainsFunc(policy.Spec.Ingress[0].From, func(p networkingv1.NetworkPolicyPeer) bool {
			return p.NamespaceSelector == nil && p.IPBlock == nil && matches(t, p.PodSelector, c.pod)
		})
		if got != c.want {
			t.Errorf("%s: reach Loki %t, want %t", name, got, c.want)
		}
	}
	for name, want := range map[string]map[string]string{"loki-push": {"panel": "yes"}, "loki-read": {"kubernetes.io/metadata.name": "monitoring"}} {
		from := one[*networkingv1.NetworkPolicy](t, all, name).Spec.Ingress[0].From
		if len(from) != 1 || !matches(t, from[0].NamespaceSelector, want) || matches(t, from[0].NamespaceSelector, map[string]string{}) {
			t.Errorf("%s is reached from %+v", name, from)
		}
		// Nobody said: the release's namespace.
		from = one[*networkingv1.NetworkPolicy](t, render(t, "proxy.yaml", "gateways: {enabled: true}"), name).Spec.Ingress[0].From
		if len(from) != 1 || from[0].NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] != "panel" {
			t.Errorf("%s is reached from %+v", name, from)
		}
	}
}

func matches(t *testing.T, selector *metav1.LabelSelector, of map[string]string) bool {
	t.Helper()
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	return s.Matches(labels.Set(of))
}
