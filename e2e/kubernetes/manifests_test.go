package kubernetes

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Every case renders to what Kubernetes takes, and Helm has nothing against the
// chart.
func TestEveryCase(t *testing.T) {
	for _, file := range cases(t) {
		name := filepath.Base(file)
		t.Run(strings.TrimSuffix(name, ".yaml"), func(t *testing.T) {
			if out, said, err := helm(t, "lint", "--strict", chart(t), "--values", file); err != nil {
				t.Errorf("%v\n%s%s", err, out, said)
			}
			all := render(t, name)
			for _, m := range all {
				if said := validation.IsDNS1123Subdomain(m.Name); len(said) > 0 {
					t.Errorf("%s %s: %v", m.Kind, m.Name, said)
				}
				checkLabels(t, m.Name, m.Labels)
			}
			for _, c := range of[*corev1.ConfigMap](all) {
				size := 0
				for key, text := range c.Data {
					size += len(text)
					if text == "" {
						t.Errorf("%s: %s is empty", c.Name, key)
					}
				}
				if size > 900_000 {
					t.Errorf("%s: %d bytes; a ConfigMap takes 1 MiB", c.Name, size)
				}
			}
		})
	}
}

func checkLabels(t *testing.T, name string, of map[string]string) {
	t.Helper()
	for key, value := range of {
		if said := append(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)...); len(said) > 0 {
			t.Errorf("%s: label %s=%q: %v", name, key, value, said)
		}
	}
}

// All that selects pods selects the proxy's.
func TestSelectors(t *testing.T) {
	all := render(t, "everything.yaml")
	set := one[*appsv1.StatefulSet](t, all, "")
	pods := labels.Set(set.Spec.Template.Labels)
	policy := one[*networkingv1.NetworkPolicy](t, all, "audit")
	panel := one[*networkingv1.NetworkPolicy](t, all, "audit-panel")
	for name, s := range map[string]*metav1.LabelSelector{
		"StatefulSet":                set.Spec.Selector,
		"Service":                    {MatchLabels: one[*corev1.Service](t, all, "audit").Spec.Selector},
		"PodDisruptionBudget":        one[*policyv1.PodDisruptionBudget](t, all, "").Spec.Selector,
		"NetworkPolicy":              &policy.Spec.PodSelector,
		"NetworkPolicy of the panel": panel.Spec.Ingress[0].From[0].PodSelector,
		"PodMonitor":                 &one[*monitoringv1.PodMonitor](t, all, "").Spec.Selector,
	} {
		selector, err := metav1.LabelSelectorAsSelector(s)
		if err != nil || selector.Empty() || !selector.Matches(pods) {
			t.Errorf("%s selects %v, the pods are %v (%v)", name, selector, pods, err)
		}
	}
	if set.Spec.ServiceName != one[*corev1.Service](t, all, "audit").Name {
		t.Errorf("the StatefulSet's service is %q", set.Spec.ServiceName)
	}
	if got := panel.Spec.PodSelector.MatchLabels; len(got) != 1 || got["app"] != "panel" || len(panel.Spec.Ingress) != 1 || len(panel.Spec.Ingress[0].From) != 1 {
		t.Errorf("the panel is reached by others, too: %+v", panel.Spec)
	}
}

// Pods live by the restricted Pod Security Standard, and mount what they name.
func TestPods(t *testing.T) {
	panel := decode(t, read(t, "deploy", "kubernetes", "panel.yaml"))
	for _, d := range of[*appsv1.Deployment](render(t, "everything.yaml")) {
		t.Run(d.Name, func(t *testing.T) { checkPod(t, d.Spec.Template.Spec, nil) })
	}
	for name, set := range map[string]*appsv1.StatefulSet{
		"the proxy":                  one[*appsv1.StatefulSet](t, render(t, "proxy.yaml"), ""),
		"the proxy, with everything": one[*appsv1.StatefulSet](t, render(t, "everything.yaml"), ""),
		"the panel":                  one[*appsv1.StatefulSet](t, panel, ""),
	} {
		t.Run(name, func(t *testing.T) {
			checkPod(t, set.Spec.Template.Spec, set.Spec.VolumeClaimTemplates)
			if set.Spec.Template.Spec.SecurityContext.FSGroup == nil {
				t.Error("the volume is root's")
			}
			if kept := set.Spec.PersistentVolumeClaimRetentionPolicy; kept == nil || kept.WhenDeleted != appsv1.RetainPersistentVolumeClaimRetentionPolicyType || kept.WhenScaled != appsv1.RetainPersistentVolumeClaimRetentionPolicyType {
				t.Errorf("a volume goes with what waits in its spool: %+v", kept)
			}
		})
	}
}

func checkPod(t *testing.T, pod corev1.PodSpec, claims []corev1.PersistentVolumeClaim) {
	t.Helper()
	s := pod.SecurityContext
	if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.RunAsUser == nil || *s.RunAsUser == 0 ||
		s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("security context %+v", s)
	}
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken || pod.HostNetwork || pod.HostPID {
		t.Error("it gets more than it needs of the cluster")
	}
	c := pod.Containers[0]
	if s := c.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem || s.AllowPrivilegeEscalation == nil ||
		*s.AllowPrivilegeEscalation || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 {
		t.Errorf("security context of %s: %+v", c.Name, s)
	}
	if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Memory().IsZero() {
		t.Error("it has no bounds in memory")
	}
	if c.ReadinessProbe == nil || c.ReadinessProbe.HTTPGet == nil || c.LivenessProbe == nil || c.LivenessProbe.TCPSocket == nil {
		t.Errorf("probes %+v, %+v", c.ReadinessProbe, c.LivenessProbe)
	}
	if strings.HasSuffix(c.Image, ":latest") || !strings.ContainsAny(c.Image, ":@") {
		t.Errorf("image %s is not pinned", c.Image)
	}
	volumes := []string{}
	for _, v := range pod.Volumes {
		volumes = append(volumes, v.Name)
	}
	for _, v := range claims {
		volumes = append(volumes, v.Name)
	}
	for _, c := range pod.Containers {
		for _, m := range c.VolumeMounts {
			if !slices.Contains(volumes, m.Name) {
				t.Errorf("%s mounts %s, which is no volume: %v", c.Name, m.Name, volumes)
			}
		}
	}
}

// Probes, ports and volume of the proxy are what docs/operations.md says.
func TestProxyPod(t *testing.T) {
	set := one[*appsv1.StatefulSet](t, render(t, "everything.yaml"), "")
	c := set.Spec.Template.Spec.Containers[0]
	if p := c.ReadinessProbe.HTTPGet; p.Path != "/readyz" || p.Port.String() != "metrics" {
		t.Errorf("ready by %+v: /healthz fails while Loki is away", p)
	}
	env := map[string]corev1.EnvVar{}
	for _, e := range c.Env {
		env[e.Name] = e
	}
	var spool, secret bool
	for _, m := range c.VolumeMounts {
		spool = spool || m.Name == "data" && env["ADMINSESSIONS_SPOOL_DIR"].Value == m.MountPath+"/spool"
		secret = secret || m.MountPath == "/run/secrets/adminsessions/loki" && m.ReadOnly
	}
	if !spool || !secret {
		t.Errorf("spool on the volume %t, secret mounted %t: %+v", spool, secret, c.VolumeMounts)
	}
	if e := env["ADMINSESSIONS_LOKI_HEADERS"]; e.Value != "" || e.ValueFrom == nil || e.ValueFrom.SecretKeyRef == nil {
		t.Errorf("%+v", e)
	}
	if want := "registry.example/adminsessions@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"; c.Image != want {
		t.Errorf("image %s", c.Image)
	}
	claim := set.Spec.VolumeClaimTemplates[0].Spec
	if *set.Spec.Replicas != 3 || *claim.StorageClassName != "fast" || claim.AccessModes[0] != corev1.ReadWriteOnce || claim.Resources.Requests.Storage().String() != "8Gi" {
		t.Errorf("%d replicas, claim %+v", *set.Spec.Replicas, claim)
	}
	if one[*appsv1.StatefulSet](t, render(t, "proxy.yaml"), "").Spec.VolumeClaimTemplates[0].Spec.StorageClassName != nil {
		t.Error("an empty class is not the cluster's default: no class is")
	}
	// Another configuration, another pod; the same, the same.
	sum := func(further ...string) string {
		return one[*appsv1.StatefulSet](t, render(t, "proxy.yaml", further...), "").Spec.Template.Annotations["checksum/config"]
	}
	if sum() != sum("proxy: {replicas: 5}") || sum() == sum("proxy: {config: {service: {name: other}}}") {
		t.Error("pods are replaced without another configuration, or not with one")
	}
}

// A replica that restarts is the same instance to the alerts.
func TestInstanceIsThePod(t *testing.T) {
	for name, m := range map[string]*monitoringv1.PodMonitor{
		"chart":      one[*monitoringv1.PodMonitor](t, render(t, "everything.yaml"), ""),
		"panel.yaml": one[*monitoringv1.PodMonitor](t, decode(t, read(t, "deploy", "kubernetes", "panel.yaml")), ""),
	} {
		e := m.Spec.PodMetricsEndpoints[0]
		if *e.Port != "metrics" || len(e.RelabelConfigs) != 1 || e.RelabelConfigs[0].TargetLabel != "instance" ||
			!slices.Equal(e.RelabelConfigs[0].SourceLabels, []monitoringv1.LabelName{"__meta_kubernetes_pod_name"}) {
			t.Errorf("%s: instance is not the pod's name: %+v", name, e)
		}
	}
}
