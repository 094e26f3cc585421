//go:build kubernetes

package kubernetes

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	first  = "trail-adminsessions-0"
	second = "trail-adminsessions-1"
)

// pod is a field of a pod of the release.
func (r *release) pod(t *testing.T, name, field string) string {
	t.Helper()
	return r.kubectl(t, "-n", "panel", "get", "pod", name, "-o", "jsonpath={"+field+"}")
}

// ready waits until a pod is.
func (r *release) ready(t *testing.T, name string) {
	t.Helper()
	r.await(t, name+" is ready", func() error {
		return r.says("True", "-n", "panel", "get", "pod", name, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
	})
}

// saysInItsLog waits until a pod's container does: the kubelet keeps that of the last.
func (r *release) saysInItsLog(t *testing.T, pod, want string) {
	t.Helper()
	r.await(t, pod+" says "+want, func() error {
		said, err := r.run("-n", "panel", "logs", pod)
		if err == nil && !strings.Contains(said, want) {
			err = errors.New(said)
		}
		return err
	})
}

// waiting is how many events of requests wait in a pod's spool, as
// docs/operations.md says to look.
func (r *release) waiting(t *testing.T, pod string) int {
	t.Helper()
	out := r.kubectl(t, "-n", "panel", "exec", pod, "--", "/usr/bin/adminsessions", "spool", "ls", "--waiting", "--json")
	n := 0
	for line := range strings.Lines(out) {
		if strings.Contains(line, r.prefix) {
			n++
		}
	}
	return n
}

// The API server has admitted the pods under the restricted standard; they run as
// that says.
func (r *release) testConfined(t *testing.T) {
	for _, p := range []struct{ namespace, pod string }{{"panel", first}, {"loki", r.kubectl(t, "-n", "loki", "get", "pod", "-l", "app.kubernetes.io/name=loki-push", "-o", "jsonpath={.items[0].metadata.name}")}} {
		pid := r.process(t, p.namespace, p.pod)
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"\nCapBnd:\t0000000000000000", "\nCapEff:\t0000000000000000", "\nNoNewPrivs:\t1", "\nSeccomp:\t2"} {
			if !strings.Contains(string(status), want) {
				t.Errorf("%s: no %q in\n%s", p.pod, strings.TrimSpace(want), status)
			}
		}
		if strings.Contains(string(status), "\nUid:\t0") {
			t.Errorf("%s is root's", p.pod)
		}
		mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mounts", pid))
		if err != nil {
			t.Fatal(err)
		}
		if line, _, _ := strings.Cut(string(mounts), "\n"); !strings.Contains(line, " / ") || !strings.Contains(line, " ro,") {
			t.Errorf("the root of %s can be written: %s", p.pod, line)
		}
	}
	// The spool is the proxy's alone.
	claim := r.kubectl(t, "-n", "panel", "get", "pvc", "data-"+first, "-o", "jsonpath={.spec.volumeName}")
	info, err := os.Stat(filepath.Join(r.dir, "disks", claim, "spool"))
	if err != nil || info.Mode().Perm()&0o077 != 0 || info.Sys().(*syscall.Stat_t).Uid != 65532 {
		t.Errorf("the spool: %v %v", info, err)
	}
	// A pod that may more is refused: the standard is enforced.
	if out, err := r.run("-n", "panel", "run", "root", "--image="+pauseImage, "--privileged"); err == nil || !strings.Contains(err.Error(), "violates PodSecurity") {
		t.Errorf("a privileged pod: %s %v", out, err)
	}
}

// process is the process of a pod's first container.
func (c *cluster) process(t *testing.T, namespace, pod string) int {
	t.Helper()
	id := strings.TrimPrefix(c.kubectl(t, "-n", namespace, "get", "pod", pod, "-o", "jsonpath={.status.containerStatuses[0].containerID}"), "containerd://")
	out, err := command(nil, c.program(t, "ctr"), "--address", criSocket, "--namespace", "k8s.io", "tasks", "ls")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == id {
			pid, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatalf("no process of %s in\n%s", id, out)
	return 0
}

// A new configuration replaces the pods one after the other.
func (r *release) testUpgrade(t *testing.T) {
	before := []string{r.pod(t, first, ".metadata.uid"), r.pod(t, second, ".metadata.uid")}
	stop := r.busy(t)
	begun := time.Now()
	if err := r.upgrade(t, "proxy: {config: {timeouts: {shutdown: 9s}}}"); err != nil {
		t.Fatal(err)
	}
	away := 0
	r.await(t, "both pods are new", func() error {
		out, err := r.run("-n", "panel", "get", "statefulset", "trail-adminsessions", "-o", "jsonpath={.status.readyReplicas} {.status.updatedReplicas} {.status.currentRevision} {.status.updateRevision}")
		if err != nil {
			return err
		}
		f := strings.Fields(out)
		if f[0] == "0" {
			away++
		}
		if len(f) != 4 || f[0] != "2" || f[1] != "2" || f[2] != f[3] {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	r.rolledOut(t)
	took := time.Since(begun)
	asked, unanswered := stop()
	if away > 0 {
		t.Error("both pods were away at once")
	}
	for i, name := range []string{first, second} {
		if r.pod(t, name, ".metadata.uid") == before[i] {
			t.Errorf("%s was not replaced", name)
		}
	}
	t.Logf("pods replaced one after the other in %.1f s; %d of %d requests meanwhile were not answered", took.Seconds(), unanswered, asked)
	if unanswered > 0 {
		t.Errorf("%d of %d requests were not answered while pods were replaced", unanswered, asked)
	}
	r.verify(t)
	r.work(t, 20)
	r.verify(t)
}

// A configuration with a mistake fails in the first pod; the other serves on. Taking
// it back is enough.
func (r *release) testWrongConfiguration(t *testing.T) {
	untouched := r.pod(t, first, ".metadata.uid")
	stop := r.busy(t)
	if err := r.upgrade(t, "proxy: {config: {serve: {name: panel}}}"); err != nil {
		t.Fatal(err)
	}
	r.await(t, "the new pod fails", func() error {
		out, err := r.run("-n", "panel", "get", "pod", second, "-o", "jsonpath={.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].lastState.terminated.exitCode}")
		if err == nil && out != "1 2" && out != "2 2" {
			err = fmt.Errorf("restarts and exit code %q, want 1 or 2, and 2", out)
		}
		return err
	})
	r.saysInItsLog(t, second, "proxy.yaml:6: serve: no such key")
	if r.pod(t, first, ".metadata.uid") != untouched || r.pod(t, first, ".status.containerStatuses[0].restartCount") != "0" {
		t.Error("the other pod was touched")
	}
	// Taken back.
	if err := r.upgrade(t); err != nil {
		t.Fatal(err)
	}
	r.await(t, "the pod is as before", func() error {
		return r.says("2 2", "-n", "panel", "get", "statefulset", "trail-adminsessions", "-o", "jsonpath={.status.readyReplicas} {.status.updatedReplicas}")
	})
	r.rolledOut(t)
	asked, unanswered := stop()
	t.Logf("%d of %d requests meanwhile were not answered", unanswered, asked)
	if unanswered > 0 {
		t.Errorf("%d of %d requests were not answered", unanswered, asked)
	}
	r.verify(t)
}

// A container that is killed while Loki is away.
func (r *release) testKilled(t *testing.T) {
	r.lokiAway(t)
	r.work(t, 40)
	for _, name := range []string{first, second} {
		if err := syscall.Kill(r.process(t, "panel", name), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	r.await(t, "both are started again", func() error {
		return r.says("1 1", "-n", "panel", "get", "pods", "-l", "app.kubernetes.io/name=adminsessions", "-o", "jsonpath={.items[*].status.containerStatuses[0].restartCount}")
	})
	r.ready(t, first)
	r.ready(t, second)
	r.work(t, 20)
	if n := r.waiting(t, first) + r.waiting(t, second); n < 60 {
		t.Errorf("%d requests wait, want 60", n)
	}
	r.lokiBack(t)
	r.verify(t)
}

// A pod that is deleted by force: Kubernetes starts the next one while the old may
// still run, which the spool's lock holds off.
func (r *release) testForced(t *testing.T) {
	r.lokiAway(t)
	r.work(t, 40)
	old := r.pod(t, first, ".metadata.uid")
	r.kubectl(t, "-n", "panel", "delete", "pod", first, "--force", "--grace-period=0")
	r.await(t, "there is a new pod", func() error {
		uid, err := r.run("-n", "panel", "get", "pod", first, "-o", "jsonpath={.metadata.uid}")
		if err == nil && uid == old {
			err = fmt.Errorf("still %s", uid)
		}
		return err
	})
	r.ready(t, first)
	r.work(t, 20)
	r.lokiBack(t)
	r.verify(t)
}

// The PodDisruptionBudget lets one replica go at a time.
func (r *release) testEviction(t *testing.T) {
	evict := func(pod string) error {
		body := fmt.Sprintf(`{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":%q,"namespace":"panel"}}`, pod)
		_, err := command(strings.NewReader(body), r.kubectlIs, r.asAdmin([]string{"create", "--raw", "/api/v1/namespaces/panel/pods/" + pod + "/eviction", "-f", "-"})...)
		return err
	}
	r.await(t, "the budget has room", func() error {
		return r.says("1", "-n", "panel", "get", "pdb", "trail-adminsessions", "-o", "jsonpath={.status.disruptionsAllowed}")
	})
	stop := r.busy(t)
	if err := evict(first); err != nil {
		t.Error(err)
	}
	if err := evict(second); err == nil || !strings.Contains(err.Error(), "disruption budget") {
		t.Errorf("the second replica at once: %v, want a refusal", err)
	}
	r.await(t, "it is back", func() error {
		return r.says("1", "-n", "panel", "get", "pdb", "trail-adminsessions", "-o", "jsonpath={.status.disruptionsAllowed}")
	})
	if asked, unanswered := stop(); unanswered > 0 {
		t.Errorf("%d of %d requests were not answered", unanswered, asked)
	}
	r.verify(t)
}

// A replica that is scaled away with a backlog: its events wait in the claim until it
// is back.
func (r *release) testScaled(t *testing.T) {
	r.lokiAway(t)
	r.work(t, 40)
	waited := r.waiting(t, second)
	if waited == 0 {
		t.Error("the replica that goes has no backlog")
	}
	r.scale(t, 1)
	r.lokiBack(t)
	r.await(t, "what the other replica has is there", func() error {
		n, err := r.missing(t.Context())
		if err == nil && n != waited {
			err = fmt.Errorf("%d are missing, want %d", n, waited)
		}
		return err
	})
	if status := r.kubectl(t, "-n", "panel", "get", "pvc", "data-"+second, "-o", "jsonpath={.status.phase}"); status != "Bound" {
		t.Errorf("the claim is %s", status)
	}
	r.scale(t, 2)
	r.verify(t)
	t.Logf("%d events waited in the claim of the replica that was scaled away", waited)
}

// scale changes the number of replicas as an operator would.
func (r *release) scale(t *testing.T, replicas int) {
	t.Helper()
	r.kubectl(t, "-n", "panel", "scale", "statefulset/trail-adminsessions", "--replicas="+strconv.Itoa(replicas))
	if replicas < 2 {
		r.kubectl(t, "-n", "panel", "wait", "pod/"+second, "--for=delete", "--timeout=1m")
	}
	if replicas < 1 {
		r.kubectl(t, "-n", "panel", "wait", "pod/"+first, "--for=delete", "--timeout=1m")
	}
	r.rolledOut(t)
}

// Claims stay when the release goes; the next of that name delivers what waits in them.
func (r *release) testUninstalled(t *testing.T) {
	r.lokiAway(t)
	r.work(t, 40)
	if _, err := r.helmRuns(t, "uninstall", "trail", "-n", "panel", "--wait"); err != nil {
		t.Fatal(err)
	}
	r.await(t, "its pods are gone", func() error {
		return r.says("", "-n", "panel", "get", "pods", "-l", "app.kubernetes.io/name=adminsessions", "-o", "name")
	})
	if claims := r.kubectl(t, "-n", "panel", "get", "pvc", "-o", "name"); strings.Count(claims, "data-trail-adminsessions-") != 2 {
		t.Errorf("claims: %s", claims)
	}
	if _, err := r.helmRuns(t, "install", "trail", chart(t), "-n", "panel", "--values", values(t, r.values)); err != nil {
		t.Fatal(err)
	}
	r.rolledOut(t)
	r.url = "http://" + r.address(t, "panel", "trail-adminsessions")
	r.loki = r.newTrail(t, "panel", "", "").loki
	r.kubectl(t, "-n", "loki", "rollout", "status", "deployment/loki-read", "--timeout=2m")
	r.work(t, 20)
	r.lokiBack(t)
	r.verify(t)
}
