package exporter

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"hash/crc32"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafana/loki/pkg/push"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/spooled"
	"github.com/adminsessions/adminsessions/proof"
)

// testdata/v… holds what each release has left on disk, in the clear and encrypted: a
// spool with events that are delivered and others that are not, quarantine, the tree
// and its checkpoints. Whoever upgrades has such a folder.
//
//	go test ./exporter -run OnDisk -write
//
// writes that of this release, once: what a release has written stays as it is.
var write = flag.Bool("write", false, "write testdata/v… for this version, if it is not there")

// leftEntry is an event as the release of its time delivered it.
type leftEntry struct {
	Labels      string `json:"labels"`
	Time        int64  `json:"timestamp_ns,string"`
	Line        string `json:"line"`
	Delivered   bool   `json:"delivered,omitempty"`   // before the folder was left
	Quarantined bool   `json:"quarantined,omitempty"` // in it
}

// ondiskKeys sign and encrypt what is in testdata, and nothing else.
func ondiskKeys(t *testing.T, dir string) (signs []*proof.Key, encrypts []byte) {
	t.Helper()
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	signs, err := proof.ReadKeys(string(read("proof.key")))
	if err != nil {
		t.Fatal(err)
	}
	return signs, read("spool.key")[:32]
}

var ondiskVariants = []string{"clear", "encrypted"}

func ondiskOptions(t *testing.T, release, variant string) []Option {
	t.Helper()
	signs, encrypts := ondiskKeys(t, release)
	options := []Option{
		WithProof(Proof{Keys: signs}), WithBackoff(time.Millisecond, time.Millisecond),
		WithResource(resource.NewSchemaless(
			attribute.String("service.name", "panel"), attribute.String("service.instance.id", "panel-1"), attribute.String("deployment.environment.name", "production"),
		)),
	}
	if variant == "encrypted" {
		options = append(options, WithSpoolKeys(encrypts))
	}
	return options
}

func TestReadsWhatEveryReleaseLeftOnDisk(t *testing.T) {
	if *write {
		writeOnDisk(t)
	}
	releases, err := filepath.Glob("testdata/v*")
	if err != nil || len(releases) == 0 {
		t.Fatalf("no release has left anything: %v", err)
	}
	for _, release := range releases {
		for _, variant := range ondiskVariants {
			t.Run(filepath.Base(release)+"/"+variant, func(t *testing.T) { readOnDisk(t, release, variant) })
		}
	}
}

func readOnDisk(t *testing.T, release, variant string) {
	dir := filepath.Join(t.TempDir(), "spool")
	restore(t, filepath.Join(release, variant, "spool"), dir)
	l, retried := takesAll(t)
	var left []leftEntry
	text, err := os.ReadFile(filepath.Join(release, variant, "entries.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var e leftEntry
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		if left = append(left, e); e.Delivered {
			l.keep(e.Labels, []push.Entry{{Timestamp: time.Unix(0, e.Time), Line: e.Line}})
		}
	}

	x := startOver(t, l, dir, ondiskOptions(t, release, variant)...)
	id := spooled.LogID([]byte(left[0].Labels))
	if x.spool.ID() != id {
		t.Errorf("it goes on as log %s; want %s", x.spool.ID(), id)
	}
	emit(t, x, 1)
	if err := x.ForceFlush(t.Context()); err != nil {
		t.Error(err)
	}
	<-retried
	shutdown(t, x)

	last := uint64(0)
	for _, e := range left {
		seq, _ := adminsessions.SequenceOf(e.Line)
		last = max(last, seq)
		got, ok := l.raw[e.Labels][seq]
		switch {
		case !ok:
			t.Errorf("event %d is not delivered: %s", seq, e.Line)
		case got.Line != e.Line || got.Timestamp.UnixNano() != e.Time:
			t.Errorf("event %d is delivered as\n%d %s\nwant\n%d %s", seq, got.Timestamp.UnixNano(), got.Line, e.Time, e.Line)
		}
		ev := parse(t, push.Entry{Timestamp: time.Unix(0, e.Time), Line: e.Line})
		at := time.Time{}
		if strings.Contains(e.Line, " at=") {
			at = ev.Time
		}
		if again := string(adminsessions.AppendSequence(ev.AppendLine(nil), seq, at)); again != e.Line {
			t.Errorf("the line\n%s\nread and written is\n%s", e.Line, again)
		}
	}
	signs, _ := ondiskKeys(t, release)
	checkpoints := l.proved(id, verifiers(t, signs...))
	if n := len(checkpoints); n < 2 || checkpoints[n-1].Size <= last {
		t.Errorf("%d checkpoints, none of what has come since", n)
	}
	if s := x.Stats(); len(s.Dropped) > 0 && sum(s.Dropped) > 0 || s.BacklogEvents > 0 {
		t.Errorf("dropped %v, backlog %d", s.Dropped, s.BacklogEvents)
	}
	for _, ev := range l.trail() {
		if ev.Action == "trail.spool_lost" {
			t.Errorf("it takes the spool for another one: %s", ev.Line())
		}
	}
}

func sum(counts map[string]uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// refuseMe is in the event that Loki refuses before the folder is left.
const refuseMe = "refuse me"

func holdsRefused(r received) bool {
	return slices.ContainsFunc(r.entries, func(e push.Entry) bool { return strings.Contains(e.Line, refuseMe) })
}

// takesAll is a Loki that takes everything. retried is closed when it is given the
// event that was in quarantine.
func takesAll(t *testing.T) (l *fakeLoki, retried chan struct{}) {
	retried = make(chan struct{})
	var once sync.Once
	return &fakeLoki{t: t, answer: func(r received) loki.Answer {
		if holdsRefused(r) {
			once.Do(func() { close(retried) })
		}
		return taken
	}}, retried
}

// restore puts a folder as it was left into place, and has what is in quarantine
// delivered. What git does not keep is the files' modes and the time at which the
// cursor was written last.
func restore(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Mkdir(to, 0o700); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, e.Name()), b, 0o600)
		}
		if err == nil && e.Name() == "cursor" {
			var closed uint32
			slots(b, func(slot []byte) { closed = max(closed, binary.LittleEndian.Uint32(slot[120:])) })
			err = os.Chtimes(filepath.Join(to, e.Name()), time.Time{}, time.Unix(int64(closed), 0))
		}
		if err == nil && e.Name() == spooled.QuarantineFile {
			err = os.Rename(filepath.Join(to, e.Name()), filepath.Join(to, spooled.RetryFile))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// slots calls f with each slot of a cursor that holds something.
func slots(cursor []byte, f func(slot []byte)) {
	for at := 0; at+128 <= len(cursor); at += 4096 {
		if slot := cursor[at : at+128]; slot[0] == 'A' {
			f(slot)
		}
	}
}

// writeOnDisk leaves on disk what a release does.
func writeOnDisk(t *testing.T) {
	version, _, _ := strings.Cut(adminsessions.Version, "-")
	release := filepath.Join("testdata", "v"+version[:strings.LastIndex(version, ".")])
	if _, err := os.Stat(release); err == nil {
		t.Fatalf("%s is there; what a release has written stays as it is", release)
	}
	if err := os.MkdirAll(release, 0o755); err != nil {
		t.Fatal(err)
	}
	private, _, err := proof.NewKey("testdata")
	if err == nil {
		err = os.WriteFile(filepath.Join(release, "proof.key"), []byte(private+"\n"), 0o644)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(release, "spool.key"), []byte(strings.Repeat("testdata", 4)+"\n"), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, variant := range ondiskVariants {
		leave(t, release, variant)
	}
}

func leave(t *testing.T, release, variant string) {
	dir := filepath.Join(t.TempDir(), "spool")
	options := ondiskOptions(t, release, variant)
	refuse := func(r received) loki.Answer {
		if holdsRefused(r) {
			return loki.Classify(400, "entry refused")
		}
		return taken
	}
	record := func(x *Exporter, events ...adminsessions.Event) {
		for _, ev := range events {
			ev.Time = time.Now()
			if err := x.RecordEvent(t.Context(), &ev, adminsessions.Spooled); err != nil {
				t.Fatal(err)
			}
		}
	}
	all := ondiskEvents()
	delivered := &fakeLoki{t: t, answer: refuse}
	x := startOver(t, delivered, dir, options...)
	record(x, all...)
	refused := all[0]
	refused.Note = refuseMe
	record(x, refused)
	if err := x.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	shutdown(t, x)
	// Loki goes away, and the process is started twice: the backlog is in two files.
	for range 2 {
		x = startOver(t, &fakeLoki{t: t, answer: func(received) loki.Answer { return away() }}, dir, options...)
		record(x, all...)
		shutdown(t, x)
		if x.Stats().BacklogEvents == 0 {
			t.Fatal("nothing is left to deliver")
		}
	}

	// As on a file system that does not tell files apart: the cursor is at home in any.
	cursor := filepath.Join(dir, "cursor")
	b, err := os.ReadFile(cursor)
	if err != nil {
		t.Fatal(err)
	}
	slots(b, func(slot []byte) {
		binary.LittleEndian.PutUint64(slot[88:], 0)
		binary.LittleEndian.PutUint32(slot[124:], crc32.Checksum(slot[:124], crc32.MakeTable(crc32.Castagnoli)))
	})
	kept := filepath.Join(release, variant, "spool")
	err = errors.Join(os.WriteFile(cursor, b, 0o600), os.MkdirAll(filepath.Dir(kept), 0o755), os.RemoveAll(filepath.Join(dir, "lock")), os.CopyFS(kept, os.DirFS(dir)))
	if err != nil {
		t.Fatal(err)
	}

	// What it is delivered as is written down by the release itself.
	again := filepath.Join(t.TempDir(), "spool")
	restore(t, kept, again)
	later, retried := takesAll(t)
	x = startOver(t, later, again, options...)
	next := x.spool.NextSeq()
	if err := x.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-retried
	shutdown(t, x)
	var left []leftEntry
	add := func(l *fakeLoki, before bool) {
		for labels, entries := range l.raw {
			for seq, e := range entries {
				if before || seq < next-1 { // the last one is its own start
					left = append(left, leftEntry{labels, e.Timestamp.UnixNano(), e.Line, before, strings.Contains(e.Line, refuseMe)})
				}
			}
		}
	}
	add(delivered, true)
	add(later, false)
	slices.SortFunc(left, func(a, b leftEntry) int { return int(a.Time - b.Time) })
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	for _, e := range left {
		if err := encoder.Encode(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(release, variant, "entries.ndjson"), text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// ondiskEvents is an event of each kind, and together with each field.
func ondiskEvents() []adminsessions.Event {
	full := testEvent
	full.Actor = adminsessions.Actor{Type: adminsessions.ActorUser, CredentialID: "key-7", TenantID: "acme"}
	full.Target = adminsessions.User{ID: "9", FullName: "Zoë \"Zed\" Ångström", Email: "zoe@example.com"}
	full.Action, full.Resource = "clients.update", adminsessions.Resource{Type: "clients", ID: "7731", Name: "Acme\tand sons"}
	full.Changes = []adminsessions.Change{{Field: "limit", Old: "100", New: "250"}, {Field: "note", New: "two\nlines"}}
	full.Reason, full.Note = "ticket 4711", "client 7731 changed\nand told"
	full.Geo = adminsessions.Geo{Country: "PL", Locality: "Gdańsk", Network: "AS5617 Orange"}
	full.SessionID, full.SentMethod, full.Method = "b7c1f0", "PATCHY", "_OTHER"
	full.TraceID, full.SpanID = [16]byte{1, 2, 15: 3}, [8]byte{4, 7: 5}
	full.Attributes = []attribute.KeyValue{attribute.Int("admin.batch", 3), attribute.String("admin.query", `a="b" & c`)}
	full.Cut = []string{"note"}

	page := testEvent
	page.Type, page.StatusCode, page.ErrorType = adminsessions.Web, 500, "panic"
	crowd := adminsessions.Event{
		Type: adminsessions.Web, RequestID: "crowd", Method: "POST", URL: "https://panel.example/login", StatusCode: 429,
		ClientAddress: netip.MustParseAddr("2001:db8::1"), Count: 1234, Since: testEvent.Time,
	}
	tried := page
	tried.StatusCode, tried.ErrorType, tried.SignIn = 401, "", adminsessions.SignIn{Name: "root", Outcome: adminsessions.SignInFailure}
	started := testEvent
	started.Stage, started.StatusCode, started.Duration = adminsessions.Started, 0, 0
	act := func(kind adminsessions.Type, actor adminsessions.ActorType) adminsessions.Event {
		return adminsessions.Event{
			Type: kind, RequestID: string(kind), Cause: "0af7651916cd43dd", Action: "invoices.send", Outcome: adminsessions.OutcomeSuccess,
			Actor: adminsessions.Actor{Type: actor}, User: testEvent.User, Duration: time.Second,
		}
	}
	return []adminsessions.Event{
		testEvent, full, page, tried, crowd, started,
		act(adminsessions.CLI, adminsessions.ActorUser), act(adminsessions.Job, adminsessions.ActorSystem), act(adminsessions.MCP, adminsessions.ActorAgent),
	}
}
