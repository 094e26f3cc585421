package predecessor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/notary"
	"github.com/adminsessions/adminsessions/internal/spooled"
	"github.com/adminsessions/adminsessions/proof"
)

// fakeLoki answers with entries, newest first, that the expression asks for.
type fakeLoki struct {
	entries []loki.Entry
	away    int // how often it fails first
	asked   []loki.LogQuery
}

func (l *fakeLoki) Logs(_ context.Context, q loki.LogQuery) (list []loki.Entry, read int64, err error) {
	l.asked = append(l.asked, q)
	if l.away--; l.away >= 0 {
		return nil, 0, errors.New("loki is away")
	}
	for _, e := range l.entries {
		_, action, _ := strings.Cut(q.Expr, `|= "`)
		action, _, _ = strings.Cut(action, `"`)
		inStream := !strings.Contains(q.Expr, spooled.LogIDLabel) || strings.Contains(q.Expr, `="`+e.Labels[spooled.LogIDLabel]+`"`)
		if strings.Contains(e.Line, action) && inStream && e.Nanos >= q.From && e.Nanos < q.To {
			list = append(list, e)
		}
	}
	return list, 0, nil
}

func entry(at time.Time, id string, ev adminsessions.Event) loki.Entry {
	ev.Time, ev.Type = at, adminsessions.Trail
	line := adminsessions.AppendSequence(ev.AppendLine(nil), 1, time.Time{})
	return loki.Entry{Nanos: at.UnixNano(), Labels: map[string]string{spooled.LogIDLabel: id}, Line: string(line)}
}

func startedIn(at time.Time, id, folder string) loki.Entry {
	return entry(at, id, adminsessions.Event{Action: "trail.started", Attributes: []attribute.KeyValue{attribute.String("folder", folder)}})
}

func signed(t *testing.T, at time.Time, id, origin string, size uint64, k *proof.Key) loki.Entry {
	t.Helper()
	tree := proof.NewTree()
	tree.AppendGap(size, "test")
	c := tree.Checkpoint(proof.OriginPrefix+origin, at)
	note, err := c.Sign(k)
	if err != nil {
		t.Fatal(err)
	}
	return entry(at, id, adminsessions.Event{Action: proof.CheckpointAction, Checkpoint: string(note)})
}

func TestAsk(t *testing.T) {
	_, ours, err := proof.NewKey("panel")
	if err != nil {
		t.Fatal(err)
	}
	_, theirs, err := proof.NewKey("panel")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		old  bool // the log is
		had  func(now time.Time) []loki.Entry
		want string
	}{
		"nothing": {false, func(time.Time) []loki.Entry { return nil }, ` own 0`},
		"a log from the same folder": {false, func(now time.Time) []loki.Entry {
			return []loki.Entry{
				startedIn(now, "me", "/spool"),
				startedIn(now.Add(-time.Minute), "other", "/spool-2"),
				startedIn(now.Add(-time.Hour), "second", "/spool"),
				startedIn(now.Add(-2*time.Hour), "first", "/spool"),
				signed(t, now.Add(-time.Minute), "second", "second", 5, ours),
				signed(t, now.Add(-time.Second), "second", "second", 4, ours), // the clock was set back
				signed(t, now, "second", "second", 99, theirs),
				signed(t, now, "second", "first", 98, ours),
				signed(t, now, "first", "first", 97, ours),
			}
		}, `second 5 own 0`},
		"one without a checkpoint": {false, func(now time.Time) []loki.Entry {
			return []loki.Entry{startedIn(now.Add(time.Minute), "before", "/spool")} // its clock was ahead
		}, `before own 0`},
		"an old log has none before": {true, func(now time.Time) []loki.Entry {
			return []loki.Entry{startedIn(now, "before", "/spool"), signed(t, now.Add(-time.Minute), "me", "me", 7, ours)}
		}, ` own 7`},
		"what the process has written itself": {true, func(now time.Time) []loki.Entry {
			return []loki.Entry{signed(t, now.Add(time.Second), "me", "me", 9, ours), signed(t, now.Add(-time.Second), "me", "me", 3, ours)}
		}, ` own 3`},
		"longer ago than loki answers": {true, func(now time.Time) []loki.Entry {
			return []loki.Entry{signed(t, now.Add(-31*24*time.Hour), "me", "me", 9, ours)}
		}, ` own 0`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &fakeLoki{entries: c.had(time.Now()), away: 3}
				began := time.Now()
				a, ok := Ask(t.Context(), Question{
					Loki: l, LogID: "me", Labels: `{audit_log_id="me", service_instance_id="host-1", service_name="panel"}`, Folder: "/spool", New: !c.old,
					Keys: notary.Verifiers([]*proof.Key{ours}), Started: began, Now: time.Now,
				})
				got := a.LogID
				if a.Checkpoint != nil {
					got += fmt.Sprintf(" %d", a.Checkpoint.Size)
				}
				if got += fmt.Sprintf(" own %d", a.Own); !ok || got != c.want {
					t.Errorf("%q, %t; want %q", got, ok, c.want)
				}
				if d := time.Since(began); d != 3*pause {
					t.Errorf("it took %v", d)
				}
				for _, q := range l.asked {
					if !strings.Contains(q.Expr, `service_instance_id="host-1", service_name="panel"}`) || !strings.Contains(q.Expr, `type="TRAIL"`) {
						t.Errorf("asked %s", q.Expr)
					}
				}
			})
		})
	}
}

func TestAskEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if a, ok := Ask(ctx, Question{Loki: &fakeLoki{away: 1 << 30}, Now: time.Now}); ok || a != (Answer{}) {
			t.Errorf("%+v, %t", a, ok)
		}
	})
}
