//go:build kubernetes

package kubernetes

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestCluster installs the chart in a real cluster and takes away what it runs on, a
// thing at a time. Nothing that the panel has answered may be missing in Loki, and
// nothing may be there twice.
func TestCluster(t *testing.T) {
	c := startCluster(t)
	c.startStorage(t)
	t.Run("definitions", c.testDefinitions)
	t.Run("validation", c.testValidation)
	r := c.install(t)
	for _, step := range []struct {
		name string
		test func(t *testing.T)
	}{
		{"confined", r.testConfined},
		{"gateways", r.testGateways},
		{"policies", r.testPolicies},
		{"upgrade", r.testUpgrade},
		{"wrong configuration", r.testWrongConfiguration},
		{"killed while Loki is away", r.testKilled},
		{"deleted by force while Loki is away", r.testForced},
		{"eviction", r.testEviction},
		{"scaled down and up", r.testScaled},
		{"a pod that never returns", r.testNeverReturns},
		{"two pods of one claim", r.testTwoOfOneClaim},
		{"uninstalled and installed", r.testUninstalled},
		{"a panel that records by itself", r.testPanel},
	} {
		if !t.Run(step.name, step.test) {
			return // the next would only tell that this one failed
		}
	}
}

// release is the chart as it is installed in the cluster.
type release struct {
	*cluster
	*trail
	values string // what is given to Helm
}

// startStorage makes a class of volumes, and folders of this machine for them.
func (c *cluster) startStorage(t *testing.T) {
	t.Helper()
	c.apply(t, `apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: disk, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
`)
	for i, mode := range slices.Concat(slices.Repeat([]string{"ReadWriteOncePod"}, 7), slices.Repeat([]string{"ReadWriteOnce"}, 2)) {
		name := fmt.Sprintf("disk-%d", i)
		path := filepath.Join(c.dir, "disks", name)
		own(t, path, 0, 0o755)
		c.apply(t, `apiVersion: v1
kind: PersistentVolume
metadata: {name: `+name+`}
spec:
  storageClassName: disk
  capacity: {storage: 5Gi}
  accessModes: [`+mode+`]
  persistentVolumeReclaimPolicy: Retain
  local: {path: `+path+`}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [`+nodeName+`]}]}]}}
`)
	}
}

// The namespaces of the panel, of Loki and of Prometheus, which take pods of the
// restricted Pod Security Standard only.
func (c *cluster) namespaces(t *testing.T) {
	t.Helper()
	for _, name := range []string{"panel", "loki", "monitoring"} {
		c.apply(t, `apiVersion: v1
kind: Namespace
metadata: {name: `+name+`, labels: {pod-security.kubernetes.io/enforce: restricted, pod-security.kubernetes.io/warn: restricted}}
`)
	}
}

// helmRuns runs Helm on the cluster.
func (c *cluster) helmRuns(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, said, err := helm(t, append(args, "--kubeconfig", c.admin)...)
	if err != nil {
		return "", fmt.Errorf("helm %s: %w: %s", strings.Join(args, " "), err, said)
	}
	return string(out), nil
}

// install installs Loki, a panel, and the chart before it, as the README says.
func (c *cluster) install(t *testing.T) *release {
	t.Helper()
	begun := time.Now()
	c.namespaces(t)
	c.startLoki(t)
	c.apply(t, panelBehind, "-n", "panel")
	r := &release{cluster: c, values: `
proxy:
  image: {repository: ` + proxyRepository + `, tag: ` + proxyTag + `}
  config:
    upstreams: [{url: http://panel.panel.svc:8000}]
    service: {name: panel, environment: production}
    who: # the node stands for an authenticating proxy
      - headers: {from: [` + podNode + `], id: X-Auth-Request-User}
    loki: {url: http://loki-push.loki.svc:3100, query_url: http://loki-read.loki.svc:3100}
  networkPolicy: {panel: {app: panel}}
  podMonitor: {enabled: true}
gateways:
  enabled: true
  namespace: loki
  image: {repository: ` + nginxRepository + `, tag: ` + nginxTag + `}
grafana:
  namespace: monitoring
  dataSources: {enabled: true}
rules:
  grafana: {enabled: true}
  prometheus: {enabled: true}
`}
	if _, err := c.helmRuns(t, "install", "trail", chart(t), "-n", "panel", "--values", values(t, r.values), "--wait", "--timeout", "3m"); err != nil {
		t.Fatal(err)
	}
	t.Logf("Loki, a panel and the chart (2 replicas, 2 gateways of 2), ready after %.1f s", time.Since(begun).Seconds())
	r.trail = c.newTrail(t, "panel", "http://"+c.address(t, "panel", "trail-adminsessions"), "/clients/")
	r.work(t, 50)
	r.verify(t)
	return r
}

// upgrade gives Helm further values.
func (r *release) upgrade(t *testing.T, further ...string) error {
	t.Helper()
	args := []string{"upgrade", "trail", chart(t), "-n", "panel", "--values", values(t, r.values)}
	for _, v := range further {
		args = append(args, "--values", values(t, v))
	}
	_, err := r.helmRuns(t, args...)
	return err
}

// rolledOut waits until all replicas are new and ready.
func (r *release) rolledOut(t *testing.T) {
	t.Helper()
	r.kubectl(t, "-n", "panel", "rollout", "status", "statefulset/trail-adminsessions", "--timeout=3m")
}

// panelBehind is any panel: it answers, and knows nothing of its proxy.
const panelBehind = `apiVersion: v1
kind: ConfigMap
metadata: {name: panel}
data:
  nginx.conf: |
    pid /tmp/nginx.pid;
    error_log stderr warn;
    events {}
    http {
      access_log off;
      client_body_temp_path /tmp/a; proxy_temp_path /tmp/b; fastcgi_temp_path /tmp/c; uwsgi_temp_path /tmp/d; scgi_temp_path /tmp/e;
      server { listen 8000; location / { return 200 "a client\n"; } }
    }
---
apiVersion: v1
kind: Service
metadata: {name: panel}
spec: {selector: {app: panel}, ports: [{port: 8000}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: panel}
spec:
  selector: {matchLabels: {app: panel}}
  template:
    metadata: {labels: {app: panel}}
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 101, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: panel
          image: ` + nginxRepository + `:` + nginxTag + `
          command: [nginx, -c, /etc/panel/nginx.conf, -g, daemon off;]
          securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
          volumeMounts: [{name: config, mountPath: /etc/panel}, {name: tmp, mountPath: /tmp}]
      volumes: [{name: config, configMap: {name: panel}}, {name: tmp, emptyDir: {}}]
`

// startLoki starts the real Loki with the configuration of deploy/loki, under the
// labels and the name that Loki's chart gives.
func (c *cluster) startLoki(t *testing.T) {
	t.Helper()
	c.kubectl(t, "-n", "loki", "create", "configmap", "loki", "--from-file="+filepath.Join(root(t), "deploy", "loki", "loki.yaml"))
	c.apply(t, `apiVersion: v1
kind: Service
metadata: {name: loki}
spec: {selector: {app.kubernetes.io/name: loki}, ports: [{port: 3100}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: loki}
spec:
  serviceName: loki
  selector: {matchLabels: {app.kubernetes.io/name: loki}}
  template:
    metadata: {labels: {app.kubernetes.io/name: loki}}
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 10001, fsGroup: 10001, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: loki
          image: `+lokiImage+`
          args: [-config.file=/etc/loki/loki.yaml, -config.expand-env=true]
          env: [{name: LOKI_HTTP_ADDRESS, value: 0.0.0.0}, {name: LOKI_DATA_DIR, value: /loki}]
          readinessProbe: {httpGet: {path: /ready, port: 3100}, periodSeconds: 2}
          securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
          volumeMounts: [{name: config, mountPath: /etc/loki}, {name: data, mountPath: /loki}, {name: tmp, mountPath: /tmp}]
      volumes: [{name: config, configMap: {name: loki}}, {name: tmp, emptyDir: {}}]
  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]
`, "-n", "loki")
}

// lokiAway takes Loki away; its volume stays.
func (c *cluster) lokiAway(t *testing.T) {
	t.Helper()
	c.kubectl(t, "-n", "loki", "scale", "statefulset/loki", "--replicas=0")
	c.kubectl(t, "-n", "loki", "wait", "pod/loki-0", "--for=delete", "--timeout=2m")
}

func (c *cluster) lokiBack(t *testing.T) {
	t.Helper()
	c.kubectl(t, "-n", "loki", "scale", "statefulset/loki", "--replicas=1")
	c.kubectl(t, "-n", "loki", "rollout", "status", "statefulset/loki", "--timeout=2m")
}
