//go:build kubernetes

package kubernetes

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/tools"
)

const (
	nodeName     = "node-1"
	nodeAddress  = "192.168.203.1"
	podNetwork   = "10.88.0.0/16"
	podNode      = "10.88.0.1/32" // the node, as pods see it
	services     = "10.96.0.0/16"
	firstService = "10.96.0.1"
	dnsService   = "10.96.0.10"
	criSocket    = "/run/containerd/containerd.sock"
)

// cluster is a Kubernetes of one node: its real programs, as processes.
type cluster struct {
	dir       string // what is on disk
	pki       *authority
	kubectlIs string
	admin     string // kubeconfig
	running   map[string]*process
	enforced  bool // NetworkPolicies are
}

type process struct {
	cmd    *exec.Cmd
	log    string
	exited chan struct{} // closed when it is gone
}

// startCluster starts everything and waits until the node is ready.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	begun := time.Now()
	dir := os.Getenv(stayDir)
	c := &cluster{dir: dir, pki: newAuthority(t, filepath.Join(dir, "pki")), running: map[string]*process{}}
	c.kubectlIs = c.program(t, "kubectl")
	t.Cleanup(func() {
		if t.Failed() {
			c.lastWords(t)
		}
	})
	c.admin = c.pki.kubeconfig(t, "admin", "admin", "system:masters")
	c.startControlPlane(t)
	c.startNode(t)
	c.startNames(t)
	c.await(t, "the node is ready", func() error {
		return c.says("True", "get", "node", nodeName, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
	})
	c.startPolicies(t)
	t.Logf("a cluster of one node, ready after %.1f s: %s", time.Since(begun).Seconds(), c.kubectl(t, "get", "node", nodeName, "-o",
		"jsonpath={.status.nodeInfo.kubeletVersion} on {.status.nodeInfo.containerRuntimeVersion}, kernel {.status.nodeInfo.kernelVersion}"))
	return c
}

func (c *cluster) program(t *testing.T, name string) string {
	t.Helper()
	bin, err := tools.Find(root(t), name)
	if err != nil {
		t.Fatalf("%v (make kubernetes)", err)
	}
	return bin
}

// start starts a program, which ends with the tests.
func (c *cluster) start(t *testing.T, name string, args ...string) {
	t.Helper()
	logs := filepath.Join(c.dir, "logs")
	if err := os.MkdirAll(logs, 0o755); err != nil {
		t.Fatal(err)
	}
	p := &process{log: filepath.Join(logs, name+".log"), exited: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.cmd = exec.Command(c.program(t, name), args...)
	p.cmd.Dir = c.dir
	p.cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(c.program(t, "containerd"))+":/usr/sbin:/usr/bin:/sbin:/bin")
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	c.running[name] = p
}

// lastWords logs how the programs' logs end.
func (c *cluster) lastWords(t *testing.T) {
	t.Helper()
	for name, p := range c.running {
		state := "runs"
		select {
		case <-p.exited:
			state = p.cmd.ProcessState.String()
		default:
		}
		text, _ := os.ReadFile(p.log)
		lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
		t.Logf("%s (%s) said last:\n%s", name, state, bytes.Join(lines[max(0, len(lines)-6):], []byte("\n")))
	}
	out, err := c.run("get", "pods,pvc,events", "-A")
	t.Logf("%v\n%s", err, out)
}

func (c *cluster) startControlPlane(t *testing.T) {
	t.Helper()
	ca := c.pki.path("ca.crt")
	c.start(t, "etcd", "--data-dir", filepath.Join(c.dir, "etcd"), "--unsafe-no-fsync",
		"--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls", "http://127.0.0.1:2379", "--listen-peer-urls", "http://127.0.0.1:2380")
	c.pki.issue(t, "apiserver", "kube-apiserver", nil, "127.0.0.1", nodeAddress, firstService, "localhost", "kubernetes.default.svc")
	c.pki.issue(t, "accounts", "accounts", nil)
	c.pki.issue(t, "apiserver-kubelet", "kube-apiserver", []string{"system:masters"})
	c.start(t, "kube-apiserver",
		"--etcd-servers=http://127.0.0.1:2379", "--advertise-address="+nodeAddress, "--secure-port=6443", "--service-cluster-ip-range="+services,
		"--tls-cert-file="+c.pki.path("apiserver.crt"), "--tls-private-key-file="+c.pki.path("apiserver.key"), "--client-ca-file="+ca,
		"--kubelet-client-certificate="+c.pki.path("apiserver-kubelet.crt"), "--kubelet-client-key="+c.pki.path("apiserver-kubelet.key"), "--kubelet-certificate-authority="+ca,
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+c.pki.path("accounts.crt"), "--service-account-signing-key-file="+c.pki.path("accounts.key"),
		"--kubelet-preferred-address-types=InternalIP", "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged")
	c.await(t, "the API server is ready", func() error { return c.says("ok", "get", "--raw", "/readyz") })
	c.start(t, "kube-controller-manager", "--kubeconfig="+c.pki.kubeconfig(t, "controllers", "system:kube-controller-manager"), "--leader-elect=false",
		"--service-account-private-key-file="+c.pki.path("accounts.key"), "--root-ca-file="+ca, "--use-service-account-credentials")
	c.start(t, "kube-scheduler", "--kubeconfig="+c.pki.kubeconfig(t, "scheduler", "system:kube-scheduler"), "--leader-elect=false")
}

func (c *cluster) startNode(t *testing.T) {
	t.Helper()
	c.write(t, "cni/10-bridge.conflist", `{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "pods", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "`+podNetwork+`"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}`)
	c.write(t, "resolv.conf", "# nobody outside is asked\n")
	c.start(t, "containerd", "--config", c.write(t, "containerd.toml", `version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
address = "`+criSocket+`"
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["`+plugins()+`"]
conf_dir = "`+filepath.Join(c.dir, "cni")+`"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "`+pauseImage+`"
`))
	c.await(t, "containerd answers", func() error {
		_, err := command(nil, c.program(t, "ctr"), "--address", criSocket, "version")
		return err
	})
	c.importImages(t)
	c.pki.issue(t, "kubelet-server", nodeName, nil, nodeName, nodeAddress)
	c.start(t, "kubelet", "--kubeconfig="+c.pki.kubeconfig(t, "kubelet", "system:node:"+nodeName, "system:nodes"),
		"--hostname-override="+nodeName, "--node-ip="+nodeAddress, "--root-dir=/var/lib/kubelet",
		"--config="+c.write(t, "kubelet.yaml", `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://`+criSocket+`
cgroupDriver: cgroupfs
cgroupRoot: /`+cgroup(c.dir)+`
failCgroupV1: false
failSwapOn: false
evictionHard: {memory.available: "0%", nodefs.available: "0%", imagefs.available: "0%"}
clusterDNS: [`+dnsService+`]
clusterDomain: cluster.local
resolvConf: `+filepath.Join(c.dir, "resolv.conf")+`
tlsCertFile: `+c.pki.path("kubelet-server.crt")+`
tlsPrivateKeyFile: `+c.pki.path("kubelet-server.key")+`
authentication: {x509: {clientCAFile: `+c.pki.path("ca.crt")+`}}
# Nothing could be pulled again.
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
syncFrequency: 10s
`))
	c.start(t, "kube-proxy", "--config="+c.write(t, "kube-proxy.yaml", `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clusterCIDR: `+podNetwork+`
hostnameOverride: `+nodeName+`
clientConnection: {kubeconfig: `+c.pki.kubeconfig(t, "proxy", "system:kube-proxy")+`}
conntrack: {maxPerCore: 0}
`))
}

// startPolicies starts kube-router as what enforces NetworkPolicies and nothing else,
// if it is here: no release of it without known flaws is to be had as a module, so it
// is not among the pinned programs.
func (c *cluster) startPolicies(t *testing.T) {
	t.Helper()
	if _, err := tools.Find(root(t), "kube-router"); err != nil {
		t.Log("no kube-router here: NetworkPolicies are objects that nobody enforces")
		return
	}
	c.start(t, "kube-router", "--kubeconfig="+c.pki.kubeconfig(t, "router", "router", "system:masters"), "--hostname-override="+nodeName,
		"--run-firewall=true", "--run-router=false", "--run-service-proxy=false", "--run-loadbalancer=false", "--service-cluster-ip-range="+services)
	c.enforced = true
}

// startNames starts the cluster's DNS, beside the node, with the Service that leads
// to it.
func (c *cluster) startNames(t *testing.T) {
	t.Helper()
	c.apply(t, `apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec: {clusterIP: `+dnsService+`, ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kube-dns-1, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
addressType: IPv4
ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53}]
endpoints: [{addresses: [`+nodeAddress+`]}]
`)
	conf := c.pki.kubeconfig(t, "coredns", "coredns", "system:masters")
	c.start(t, "coredns", "-conf", c.write(t, "Corefile", `.:53 {
  bind `+nodeAddress+`
  errors
  kubernetes cluster.local {
    kubeconfig `+conf+`
    ttl 1
  }
}
`))
}

func (c *cluster) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(c.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	return path
}

// command runs a program and returns its output. An error holds what it said.
func command(stdin io.Reader, program string, args ...string) (string, error) {
	cmd := exec.Command(program, args...)
	cmd.Stdin = stdin
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %.300s: %w", filepath.Base(program), strings.Join(args, " "), errors.Join(err, errors.New(strings.TrimSpace(said.String()+out.String()))))
	}
	return strings.TrimSpace(out.String()), nil
}

// run runs kubectl.
func (c *cluster) run(args ...string) (string, error) {
	return command(nil, c.kubectlIs, c.asAdmin(args)...)
}

func (c *cluster) asAdmin(args []string) []string {
	return slices.Concat([]string{"--kubeconfig", c.admin, "--cache-dir", filepath.Join(c.dir, "kubectl")}, args)
}

// kubectl runs kubectl and wants it to succeed.
func (c *cluster) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := c.run(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// apply creates or changes what manifests say.
func (c *cluster) apply(t *testing.T, manifests string, args ...string) {
	t.Helper()
	if _, err := command(strings.NewReader(manifests), c.kubectlIs, c.asAdmin(append([]string{"apply", "--server-side", "-f", "-"}, args...))...); err != nil {
		t.Fatal(err)
	}
}

// says runs kubectl and is an error unless it says that.
func (c *cluster) says(want string, args ...string) error {
	got, err := c.run(args...)
	if err == nil && got != want {
		err = fmt.Errorf("kubectl %s: %q, want %q", strings.Join(args, " "), got, want)
	}
	return err
}

// await asks again and again until there is no error, or one of the cluster's
// programs has ended.
func (c *cluster) await(t *testing.T, what string, ask func() error) {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(2 * time.Minute)
	for {
		err := ask()
		if err == nil {
			return
		}
		for name, p := range c.running {
			select {
			case <-p.exited:
				t.Fatalf("%s: %s has ended (%s)", what, name, p.cmd.ProcessState)
			default:
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited 2m until %s: %v", what, err)
		}
	}
}
