//go:build kubernetes

package kubernetes

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// rescue is the pod of docs/operations.md that delivers what waits in a claim whose
// own pod never returns.
func (r *release) rescue(t *testing.T, claim string) string {
	t.Helper()
	blocks := regexp.MustCompile("(?s)```yaml\n( *apiVersion: v1\n *kind: Pod\n.*?)```").FindAllStringSubmatch(string(read(t, "docs", "operations.md")), -1)
	if len(blocks) != 1 {
		t.Fatalf("docs/operations.md shows %d pods", len(blocks))
	}
	for _, said := range []string{"registry.example/adminsessions:v1", "data-trail-adminsessions-1"} {
		if !strings.Contains(blocks[0][1], said) {
			t.Fatalf("the pod of docs/operations.md does not say %s", said)
		}
	}
	return strings.NewReplacer("registry.example/adminsessions:v1", proxyRepository+":"+proxyTag, "data-trail-adminsessions-1", claim).Replace(blocks[0][1])
}

// metric is a number that a pod of the panel's namespace says of itself.
func (r *release) metric(t *testing.T, pod, name string) (float64, error) {
	t.Helper()
	text, err := r.run("get", "--raw", "/api/v1/namespaces/panel/pods/"+pod+":9465/proxy/metrics")
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(`(?m)^` + name + `(?:\{[^}]*\})? (\S+)$`).FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("no %s in what %s says", name, pod)
	}
	return strconv.ParseFloat(m[1], 64)
}

// A pod that never returns, as docs/operations.md has it: what waits in its claim is
// delivered by a pod of its own; of a claim that is lost, it is known how much.
func (r *release) testNeverReturns(t *testing.T) {
	r.lokiAway(t)
	r.work(t, 40)
	waited := r.waiting(t, second)
	r.scale(t, 1)

	// While another pod has the claim, Kubernetes starts no second one.
	other := strings.Replace(r.rescue(t, "data-"+first), "name: rescue", "name: second", 1)
	r.apply(t, other, "-n", "panel")
	r.await(t, "the claim is for one pod", func() error {
		said, err := r.run("-n", "panel", "get", "pod", "second", "-o", `jsonpath={.status.conditions[?(@.type=="PodScheduled")].message}`)
		if err == nil && !strings.Contains(said, "ReadWriteOncePod") {
			err = fmt.Errorf("%q", said)
		}
		return err
	})
	r.kubectl(t, "-n", "panel", "delete", "pod", "second")

	r.apply(t, r.rescue(t, "data-"+second), "-n", "panel")
	r.ready(t, "rescue")
	if n := r.waiting(t, "rescue"); n != waited || n == 0 {
		t.Errorf("%d requests wait, %d waited when the pod went", n, waited)
	}
	if out := r.kubectl(t, "-n", "panel", "exec", "rescue", "--", "/usr/bin/adminsessions", "spool", "stat"); !strings.Contains(out, "waiting") {
		t.Errorf("spool stat: %s", out)
	}
	if slices := r.kubectl(t, "-n", "panel", "get", "endpointslices", "-l", "kubernetes.io/service-name=trail-adminsessions", "-o", "jsonpath={.items[*].endpoints[*].targetRef.name}"); slices != first {
		t.Errorf("the Service leads to %s", slices)
	}
	r.lokiBack(t)
	r.await(t, "its backlog is 0", func() error {
		n, err := r.metric(t, "rescue", "adminsessions_exporter_backlog_events")
		if err == nil && n != 0 {
			err = fmt.Errorf("%v", n)
		}
		return err
	})
	r.verify(t)
	r.kubectl(t, "-n", "panel", "delete", "pod", "rescue")
	// And if it does return, it goes on.
	r.scale(t, 2)
	r.work(t, 20)
	r.verify(t)

	// The volume is lost, with what waits in it.
	r.lokiAway(t)
	r.work(t, 40)
	given, err := r.metric(t, second, "adminsessions_spool_sequence_number")
	if err != nil {
		t.Fatal(err)
	}
	r.scale(t, 1)
	volume := r.kubectl(t, "-n", "panel", "get", "pvc", "data-"+second, "-o", "jsonpath={.spec.volumeName}")
	r.kubectl(t, "-n", "panel", "delete", "pvc", "data-"+second)
	if err := errors.Join(os.RemoveAll(filepath.Join(r.dir, "disks", volume)), os.Mkdir(filepath.Join(r.dir, "disks", volume), 0o755)); err != nil {
		t.Fatal(err)
	}
	r.lokiBack(t)
	r.scale(t, 2)
	r.await(t, "the rest is there", func() error {
		if n, err := r.metric(t, first, "adminsessions_exporter_backlog_events"); err != nil || n != 0 {
			return fmt.Errorf("%v %w", n, err)
		}
		return nil
	})
	f, err := r.find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	highest := uint64(0) // of the log that the lost volume had
	for id, instances := range f.instances {
		if !instances[second] {
			continue
		}
		last := uint64(0)
		for n := range f.sequences[id] {
			last = max(last, n)
		}
		if float64(last) <= given {
			highest = max(highest, last)
		}
	}
	missing, err := r.missing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the volume is lost: %d numbers given, %d in Loki: %d events lost, %d of them requests", int(given), highest, int(given)-int(highest), missing)
	if lost := int(given) - int(highest); missing == 0 || lost < missing || lost > missing+5 {
		t.Errorf("by the numbers %d events are lost, of requests %d are missing", lost, missing)
	}
	for n := range r.answered { // they are lost
		if f.requests[n] == 0 {
			delete(r.answered, n)
		}
	}
	r.work(t, 20)
	r.verify(t)
}

// Two pods of one claim, on one node and ReadWriteOnce: the second waits until the
// first has left the spool.
func (r *release) testTwoOfOneClaim(t *testing.T) {
	r.apply(t, `apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: shared}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`, "-n", "panel")
	pod := r.rescue(t, "shared")
	r.apply(t, strings.Replace(pod, "name: rescue", "name: one", 1), "-n", "panel")
	r.ready(t, "one")
	r.apply(t, strings.Replace(pod, "name: rescue", "name: two", 1), "-n", "panel")
	r.await(t, "the second gives up", func() error {
		out, err := r.run("-n", "panel", "get", "pod", "two", "-o", "jsonpath={.status.containerStatuses[0].ready} {.status.containerStatuses[0].restartCount}")
		if err == nil && out != "false 1" {
			err = errors.New(out)
		}
		return err
	})
	r.saysInItsLog(t, "two", "folder /var/lib/adminsessions/spool is in use by process 1 on one")
	if r.pod(t, "one", ".status.containerStatuses[0].restartCount") != "0" {
		t.Error("the first was disturbed")
	}
	r.kubectl(t, "-n", "panel", "delete", "pod", "one")
	r.ready(t, "two")
	r.kubectl(t, "-n", "panel", "delete", "pod", "two")
	r.kubectl(t, "-n", "panel", "delete", "pvc", "shared")
}
