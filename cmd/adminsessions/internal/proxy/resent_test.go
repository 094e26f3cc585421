package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/internal/recordtest"
	"github.com/adminsessions/adminsessions/internal/spool"
	"github.com/adminsessions/adminsessions/internal/spooled"
	"github.com/adminsessions/adminsessions/policy"
)

// mortal is a sink that takes some events and is dead then.
type mortal struct {
	spooler
	left int
}

func (m *mortal) RecordEvent(ctx context.Context, e *adminsessions.Event, d adminsessions.Durability) error {
	if m.left--; m.left < 0 {
		return fmt.Errorf("dead: %w", adminsessions.ErrRefused)
	}
	return m.spooler.RecordEvent(ctx, e, d)
}

// lives is an ingest with its spool, which dies and is started again.
type lives struct {
	t   testing.TB
	dir string
	x   *exporter.Exporter
	in  http.Handler
}

// start starts it; it dies after some events.
func (l *lives) start(events int) {
	l.t.Helper()
	known := newStored()
	x, err := exporter.New(exporter.WithLoki(adminsessions.Loki{URL: "http://127.0.0.1:1"}), exporter.WithSpoolDir(l.dir),
		exporter.WithLogger(slog.New(slog.DiscardHandler)), exporter.WithFound(known.found()))
	if err != nil {
		l.t.Fatal(err)
	}
	l.x = x
	if l.in, err = newIngest(&Ingest{MaxBytes: 1 << 20, Timeout: time.Second}, &policy.Redaction{}, &mortal{x, events}, known,
		newMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler)); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lives) end() {
	ctx, cancel := context.WithCancel(l.t.Context())
	cancel()
	_ = l.x.Shutdown(ctx) // the spool is left as a kill would leave it: nothing is kept elsewhere
}

// actions are those of the events in the spool.
func (l *lives) actions() map[string]int {
	l.t.Helper()
	v, err := spool.OpenReadOnly(l.dir)
	if err != nil {
		l.t.Fatal(err)
	}
	found := map[string]int{}
	for rec, err := range v.Records() {
		if err != nil {
			l.t.Fatal(err)
		}
		_, line, err := spooled.Split(rec.Payload)
		e, perr := adminsessions.ParseLine(string(line))
		if err := errors.Join(err, perr); err != nil {
			l.t.Fatal(err)
		}
		if e.Type != adminsessions.Trail {
			found[e.Action]++
		}
	}
	return found
}

const resentEvents = 5

// resends are requests with five events, n.0 to n.4, and how often each of them is
// to be there when the request was cut short after some of them, and came again.
func resends(t testing.TB) map[string]struct {
	path, contentType string
	body              []byte
	known             bool
} {
	lines := func(format string) []byte {
		var b []byte
		for i := range resentEvents {
			b = fmt.Appendf(b, `{"type":"JOB","action":"n.%d",`+format+"}\n", i)
		}
		return b
	}
	logs := plog.NewLogs()
	scope := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
	for i := range resentEvents {
		r := scope.LogRecords().AppendEmpty()
		r.SetObservedTimestamp(pcommon.Timestamp(1764100000123456789))
		r.Attributes().PutStr("admin.action", fmt.Sprintf("n.%d", i))
	}
	otlp, err := new(plog.ProtoMarshaler).MarshalLogs(logs)
	if err != nil {
		t.Fatal(err)
	}
	const ndjson, events = "application/x-ndjson", "/v1/events"
	return map[string]struct {
		path, contentType string
		body              []byte
		known             bool
	}{
		"a precise time":            {events, ndjson, lines(`"time":"2026-11-25T18:00:00.5Z"`), true},
		"a time and a request":      {events, ndjson, lines(`"time":"2026-11-25T18:00:00Z","request":"r1"`), true},
		"OTLP":                      {"/v1/logs", "application/x-protobuf", otlp, true},
		"a second":                  {events, ndjson, lines(`"time":"2026-11-25T18:00:00Z"`), false},
		"a request, but not a time": {events, ndjson, lines(`"request":"r1"`), false},
		"neither":                   {events, ndjson, lines(`"note":"x"`), false},
	}
}

// However far a request had come when the program died: when it comes again, each
// of its events is stored once, if it can be told from another that looks alike.
func TestResentAfterDeath(t *testing.T) {
	for name, c := range resends(t) {
		for died := range resentEvents + 1 {
			t.Run(fmt.Sprintf("%s/%d", name, died), func(t *testing.T) {
				l := &lives{t: t, dir: filepath.Join(t.TempDir(), "spool")}
				l.start(died)
				if w := hand(t, l.in, c.path, c.contentType, c.body); (w.Code == 200) != (died == resentEvents) {
					t.Errorf("answered %d %s", w.Code, w.Body)
				}
				l.end()
				for range 2 {
					l.start(1000)
					if w := hand(t, l.in, c.path, c.contentType, c.body); w.Code != 200 {
						t.Errorf("answered %d %s", w.Code, w.Body)
					}
					l.end()
				}
				got := l.actions()
				for i := range resentEvents {
					want := 1
					if !c.known { // nobody could tell
						want = 2
						if i < died {
							want = 3
						}
					}
					if n := got[fmt.Sprintf("n.%d", i)]; n != want {
						t.Errorf("event %d is there %d times, want %d", i, n, want)
					}
				}
			})
		}
	}
}

// Without a death between, whatever came of the request is known as well, and what
// is merely alike is not taken for it.
func TestResent(t *testing.T) {
	const at = `"time":"2026-11-25T18:00:00.123Z"`
	for name, c := range map[string]struct {
		bodies []string
		want   int
	}{
		"a request that comes again":            {[]string{`{"action":"a.b",` + at + `}`, `{"action":"a.b",` + at + `}`}, 1},
		"in another request":                    {[]string{`{"action":"a.b",` + at + `}`, `{"action":"c.d",` + at + `}` + "\n" + `{"action":"a.b",` + at + `}`}, 2},
		"meant to be two":                       {[]string{`{"action":"a.b",` + at + `}` + "\n" + `{"action":"a.b",` + at + `}`}, 2},
		"meant to be two, and sent again":       {[]string{`{"action":"a.b",` + at + `}` + "\n" + `{"action":"a.b",` + at + `}`, `{"action":"a.b",` + at + `}` + "\n" + `{"action":"a.b",` + at + `}`}, 2},
		"another object":                        {[]string{`{"action":"a.b","object":"x",` + at + `}`, `{"action":"a.b","object":"y",` + at + `}`}, 2},
		"somebody else's":                       {[]string{`{"action":"a.b","email":"anna@example.com",` + at + `}`, `{"action":"a.b","email":"rory@example.com",` + at + `}`}, 2},
		"two sources that say no time":          {[]string{`{"action":"a.b"}`, `{"action":"a.b"}`}, 2},
		"two sources in the same second":        {[]string{`{"action":"a.b","time":"2026-11-25T18:00:00Z"}`, `{"action":"a.b","time":"2026-11-25T18:00:00Z"}`}, 2},
		"a forerunner that claims more is none": {[]string{`{"action":"a.b","note":"nothing to see",` + at + `}`, `{"action":"a.b","note":"all deleted",` + at + `}`}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var sink recordtest.Sink
			h := startIngest(t, &sink, "written")
			for _, body := range c.bodies {
				if w := hand(t, h, "/v1/events", "application/x-ndjson", []byte(body)); w.Code != 200 || !strings.Contains(w.Body.String(), fmt.Sprintf(`"accepted":%d`, strings.Count(body, "action"))) {
					t.Errorf("answered %d %s", w.Code, w.Body)
				}
			}
			if got := sink.Events(); len(got) != c.want {
				t.Errorf("%d events, want %d: %q", len(got), c.want, recordtest.Lines(got))
			}
		})
	}
}

// An event that comes again is recognised whatever it has of its own, in whatever
// order an encoder writes that, and however much of it is cut.
func TestResentWithAttributes(t *testing.T) {
	var few, many []string
	for i := range 2 * adminsessions.MaxAttributes {
		many = append(many, fmt.Sprintf(`"k%02d":"v"`, i))
		if i < 5 {
			few = append(few, many[i])
		}
	}
	for name, attributes := range map[string][]string{"a few": few, "more than there is room for": many} {
		var sink recordtest.Sink
		h := startIngest(t, &sink, "written")
		for range 5 {
			for _, order := range []func([]string){func([]string) {}, slices.Reverse[[]string]} {
				order(attributes)
				body := `{"action":"a.b","time":"2026-11-25T18:00:00.123Z","attributes":{` + strings.Join(attributes, ",") + `}}`
				if w := hand(t, h, "/v1/events", "application/x-ndjson", []byte(body)); w.Code != 200 {
					t.Fatalf("%s: answered %d %s", name, w.Code, w.Body)
				}
			}
		}
		e := sink.Only(t)
		if line := e.Line(); strings.Contains(line, " cut=") != (len(attributes) > adminsessions.MaxAttributes) {
			t.Errorf("%s: what is cut is not told: %s", name, line)
		}
	}
}

// Nothing that an event says has it pass for one that the proxy has seen itself.
func TestIngestedEventsAreMarked(t *testing.T) {
	text := strings.Repeat(`\u0001`, adminsessions.MaxAttributeBytes)
	var attributes, changes []string
	for i := range adminsessions.MaxAttributes {
		attributes = append(attributes, fmt.Sprintf(`"a%d":"%s"`, i, text))
	}
	for i := range adminsessions.MaxChanges {
		changes = append(changes, fmt.Sprintf(`"c%d":["%[2]s","%[2]s"]`, i, text[:6*adminsessions.MaxChangeBytes]))
	}
	var sink recordtest.Sink
	h := startIngest(t, &sink, "written")
	body := `{"action":"a.b","attributes":{` + strings.Join(attributes, ",") + `},"changes":{` + strings.Join(changes, ",") + `}}`
	if w := hand(t, h, "/v1/events", "application/x-ndjson", []byte(body)); w.Code != 200 {
		t.Fatalf("answered %d %s", w.Code, w.Body)
	}
	e := sink.Only(t)
	back, err := adminsessions.ParseLine(e.Line())
	if err != nil {
		t.Fatal(err)
	}
	for _, kv := range back.Attributes {
		if kv.Key == ingestKey {
			return
		}
	}
	t.Errorf("it is not marked, with %d of its attributes", len(back.Attributes))
}

// The same request many times at once, some of which fail: nobody is told that an
// event is stored before it is, and none is stored twice.
func TestResentAtTheSameTime(t *testing.T) {
	var mu sync.Mutex
	asked := 0
	var sink recordtest.Sink
	sink.Fail = func(context.Context, *adminsessions.Event, adminsessions.Durability) error {
		mu.Lock()
		defer mu.Unlock()
		if asked++; asked%3 == 0 {
			return fmt.Errorf("full: %w", adminsessions.ErrRefused)
		}
		return nil
	}
	h := startIngest(t, &sink, "written")
	var body []byte
	for i := range 20 {
		body = fmt.Appendf(body, `{"action":"n.%d","time":"2026-11-25T18:00:00.5Z"}`+"\n", i)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				w := httptest.NewRecorder()
				r := httptest.NewRequest("POST", "http://127.0.0.1:4318/v1/events", strings.NewReader(string(body)))
				r.Header.Set("Content-Type", "application/x-ndjson")
				h.ServeHTTP(w, r)
				if w.Code != 200 {
					continue
				}
				if n := len(sink.Events()); n != 20 {
					t.Errorf("answered although %d of 20 events are stored", n)
				}
				return
			}
		})
	}
	wg.Wait()
	if n := len(sink.Events()); n != 20 {
		t.Errorf("%d of 20 events", n)
	}
}
