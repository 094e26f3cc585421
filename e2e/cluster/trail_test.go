package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/e2e/internal/eventually"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/proof/verify"
)

// found is what of a panel's trail is in Loki.
type found struct {
	numbers map[uint64]int // how often a sequence number is there
	last    uint64
	events  map[string]int // … a request id
}

// read reads a panel's whole trail, a minute at a time so that no answer is
// large.
func (c *cluster) read(ctx context.Context, instance string, since time.Time) (*found, error) {
	f := &found{numbers: map[uint64]int{}, events: map[string]int{}}
	expr := fmt.Sprintf(`{service_name=%q, service_instance_id=%q}`, service, instance)
	for from := since; from.Before(time.Now()); from = from.Add(time.Minute) {
		entries, err := c.loki.AllLogs(ctx, expr, from.UnixNano(), from.Add(time.Minute).UnixNano())
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if err := f.add(e); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

func (f *found) add(e loki.Entry) error {
	ev, err := adminsessions.ParseLine(e.Line)
	if err != nil || ev.Sequence == 0 {
		return fmt.Errorf("entry %q: %w", e.Line, err)
	}
	f.numbers[ev.Sequence]++
	f.last = max(f.last, ev.Sequence)
	if ev.Type != adminsessions.Trail {
		f.events[ev.RequestID]++
	}
	return nil
}

// judge says what is missing or there twice. An event that was recorded when its
// process was killed may be there though nobody was told.
func (f *found) judge(p *panel) (missing, doubled []string) {
	for n := uint64(1); n <= f.last; n++ {
		switch f.numbers[n] {
		case 0:
			missing = append(missing, "number "+strconv.FormatUint(n, 10))
		case 1:
		default:
			doubled = append(doubled, "number "+strconv.FormatUint(n, 10))
		}
	}
	for run, accepted := range p.accepted {
		for n := 1; n <= accepted; n++ {
			switch f.events[requestID(run, n)] {
			case 0:
				missing = append(missing, "event "+requestID(run, n))
			case 1:
			default:
				doubled = append(doubled, "event "+requestID(run, n))
			}
		}
	}
	return missing, doubled
}

// verify reads the trail of each panel and fails the test for whatever is missing
// or there twice. A querier that has just started, or an index gateway that does
// not know the newest index yet, can answer short: what is missing is looked for
// again until patience ends, and how long that took is said.
func (c *cluster) verify(t *testing.T, since time.Time, patience time.Duration, panels ...*panel) {
	t.Helper()
	for _, p := range panels {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			f, err := c.read(ctx, p.config.Instance, since)
			var missing, doubled []string
			if err == nil {
				missing, doubled = f.judge(p)
			}
			if len(doubled) > 0 {
				t.Errorf("panel %s: %d there twice: %s", p.config.Instance, len(doubled), some(doubled))
				break
			}
			if err == nil && len(missing) == 0 {
				t.Logf("panel %s: %d events accepted in %d runs, %d numbers in Loki: none missing, none twice; seen whole after %.1f s",
					p.config.Instance, p.total(), len(p.accepted), f.last, time.Since(began).Seconds())
				break
			}
			select {
			case <-tick.C:
				continue
			case <-ctx.Done():
				t.Errorf("panel %s: %d missing after %s: %s (last error: %v)", p.config.Instance, len(missing), patience, some(missing), err)
			}
			break
		}
	}
}

// verifyProof has the trail prove itself, as an auditor does who has nothing but
// Loki and the public key: every event of every panel, from the first on. After the
// loss of a disk that, too, takes until the index gateway knows what was flushed:
// it is tried again until patience ends.
func (c *cluster) verifyProof(t *testing.T, panels int, patience time.Duration) {
	t.Helper()
	began := time.Now()
	var report *verify.Report
	eventually.NoError(t, patience, "the trail proves itself", func() (err error) {
		report, err = verify.Run(t.Context(), verify.Config{Loki: c.questions(), Keys: []string{c.public}})
		if err == nil && (report.Complete != verify.Yes || report.Unaltered != verify.Yes || len(report.Logs) != panels) {
			err = errors.New(report.Text())
		}
		return err
	})
	for _, l := range report.Logs {
		t.Logf("verified %d to %d of a log by %d checkpoints: complete and unaltered", l.First, l.Last, l.Checkpoints)
		if len(l.Declared)+len(l.Foreign) > 0 {
			t.Errorf("gaps %v, foreign entries %v", l.Declared, l.Foreign)
		}
	}
	t.Logf("the verification took %.1f s", time.Since(began).Seconds())
}

func some(names []string) string { return strings.Join(names[:min(10, len(names))], ", ") }
