package cluster

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// fault is something that happens to a cluster while panels record.
type fault struct {
	name string
	do   func(t *testing.T, c *cluster, panels []*panel)
}

// What is acknowledged is never lost, what is refused stays in the spool.
var faults = []fault{
	{"an ingester is killed", func(t *testing.T, c *cluster, _ []*panel) {
		name := fmt.Sprintf("ingester-%d", 1+rand.IntN(3))
		c.kill(t, name)
		rest(t)
		c.restart(t, name)
	}},
	{"two ingesters of three are killed", func(t *testing.T, c *cluster, panels []*panel) {
		// Without a quorum nothing is acknowledged: the panels go on recording.
		c.kill(t, "ingester-2", "ingester-3")
		before := panels[0].total()
		await(t, "a panel that records without Loki", func() error {
			if panels[0].total() < before+*rate {
				return errors.New("it does not")
			}
			return nil
		})
		c.restart(t, "ingester-2", "ingester-3")
	}},
	{"the bucket is away while ingesters flush", func(t *testing.T, c *cluster, _ []*panel) {
		c.kill(t, "s3")
		c.flush(t, "ingester-1", "ingester-2", "ingester-3")
		rest(t)
		c.restart(t, "s3")
	}},
	{"a distributor is killed", func(t *testing.T, c *cluster, _ []*panel) {
		name := fmt.Sprintf("distributor-%d", 1+rand.IntN(2))
		c.kill(t, name)
		rest(t)
		c.restart(t, name)
	}},
	{"a querier is killed while a view is open", func(t *testing.T, c *cluster, _ []*panel) {
		v := openView(t, c)
		c.kill(t, "querier-1")
		v.awaitNew(t)
		c.restart(t, "querier-1")
	}},
	{"the scheduler and all queriers are killed while a view is open", func(t *testing.T, c *cluster, _ []*panel) {
		v := openView(t, c)
		c.kill(t, "query-scheduler", "querier-1", "querier-2")
		v.mustTell(t)
		c.restart(t, "query-scheduler", "querier-1", "querier-2")
		v.awaitNew(t)
	}},
	{"all that answers questions is killed while a view is open", func(t *testing.T, c *cluster, _ []*panel) {
		names := []string{"index-gateway", "query-scheduler", "query-frontend", "querier-1", "querier-2"}
		v := openView(t, c)
		c.kill(t, names...)
		v.mustTell(t)
		c.restart(t, names...)
		v.awaitNew(t)
	}},
	{"a panel is killed", func(t *testing.T, _ *cluster, panels []*panel) {
		p := panels[rand.IntN(len(panels))]
		p.end(t, syscall.SIGKILL)
		p.start(t)
	}},
	{"the panels are rolled", func(t *testing.T, _ *cluster, panels []*panel) {
		for _, p := range panels {
			p.end(t, syscall.SIGTERM)
			p.start(t)
		}
	}},
}

// longFaults take minutes each.
var longFaults = []fault{
	{"the ingesters are rolled", func(t *testing.T, c *cluster, _ []*panel) {
		for _, name := range []string{"ingester-1", "ingester-2", "ingester-3"} {
			c.process[name].end(t, syscall.SIGTERM)
			c.restart(t, name)
		}
	}},
	{"compactor and ruler are killed", func(t *testing.T, c *cluster, _ []*panel) {
		c.kill(t, "compactor", "ruler")
		rest(t)
		c.restart(t, "compactor", "ruler")
	}},
	{"two ingesters have one name", func(t *testing.T, c *cluster, _ []*panel) {
		twin := c.member(t, "ingester-4", "ingester-3", 24)
		c.add(twin)
		c.restart(t, twin.name)
		rest(t)
		if names, err := c.ring(t.Context(), "distributor-1"); err != nil || len(names) != 3 {
			t.Errorf("with two of one name the ring has %v (%v), want 3 members", names, err)
		}
		c.kill(t, twin.name)
		c.process["ingester-3"].end(t, syscall.SIGTERM)
		c.restart(t, "ingester-3")
	}},
}

// TestClusterUnderFire is one round of every fault, in an order of its own each
// time, or with -soak rounds of all of them and at last an ingester whose disk
// is lost.
func TestClusterUnderFire(t *testing.T) {
	c := start(t)
	rules := ruleGroups(t)
	// The others look back for days, and are evaluated when panels have ended.
	c.loadRules(t, "5s", rules[0])
	since := time.Now().Add(-time.Minute)
	panels := []*panel{newPanel(t, c, "panel-1", *rate), newPanel(t, c, "panel-2", *rate)}
	panels[0].config.Suspicious = true
	for _, p := range panels {
		p.start(t)
	}
	rest(t)
	c.mustBalance(t, "distributor-1", "distributor-2")

	began, hearing := time.Now(), patience
	round := faults
	if *soak > 0 {
		round = append(append([]fault(nil), faults...), longFaults...)
		hearing = 10 * time.Minute
	}
	done := map[string]int{}
	for first := true; first || time.Since(began) < *soak; first = false {
		for _, i := range rand.Perm(len(round)) {
			if !first && time.Since(began) >= *soak {
				break
			}
			at := time.Now()
			round[i].do(t, c, panels)
			done[round[i].name]++
			t.Logf("%4.0f s: %s (%.1f s)", time.Since(began).Seconds(), round[i].name, time.Since(at).Seconds())
			rest(t)
		}
	}
	if *soak > 0 {
		loseDisk(t, c)
		done["an ingester's disk is lost"]++
		t.Logf("%4.0f s: an ingester's disk is lost", time.Since(began).Seconds())
	}

	accepted := 0
	for _, p := range panels {
		p.end(t, syscall.SIGTERM)
		accepted += p.total()
	}
	took := time.Since(began).Seconds()
	t.Logf("%d events in %.0f s: %.0f a second", accepted, took, float64(accepted)/took)
	for _, name := range slices.Sorted(maps.Keys(done)) {
		t.Logf("%4d times: %s", done[name], name)
	}
	for _, p := range panels {
		p.drain(t)
	}
	c.verify(t, since, hearing, panels...)
	c.verifyProof(t, len(panels), hearing)
	c.alerts.mustHaveHeard(t, "AdminSessionsRolesChanged", mallory.Email, "1 times")
	c.loadRules(t, "15s", rules[1:]...)
	c.verifyRules(t, rules, hearing)
}

// loseDisk takes an ingester's disk away, and does what deploy/loki-distributed
// says then: the others flush, end and start again, one after the other.
func loseDisk(t *testing.T, c *cluster) {
	t.Helper()
	c.kill(t, "ingester-1")
	if err := os.RemoveAll(filepath.Join(c.dir, "ingester-1")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(c.dir, "ingester-1"), 0o700); err != nil {
		t.Fatal(err)
	}
	c.restart(t, "ingester-1")
	for _, name := range []string{"ingester-2", "ingester-3"} {
		c.flushAndEnd(t, name)
		c.restart(t, name)
	}
}

// rest lets the panels go on for a while.
func rest(t *testing.T) {
	t.Helper()
	select {
	case <-time.After(spell()):
	case <-t.Context().Done():
	}
}
