package proxy

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/redact"
	"github.com/adminsessions/adminsessions/internal/text"
	"github.com/adminsessions/adminsessions/policy"
)

// Bounds of what is handed in.
const (
	maxIngests      = 32 // requests at once
	maxIngestEvents = 10_000
	maxURLBytes     = 2048
	maxAhead        = 10 * time.Minute
)

// ingestKey is the attribute that says that an event was handed in, and how: it
// is the word of another program.
const ingestKey = "admin.ingest"

// spooler is where the events go: the exporter.
type spooler interface {
	adminsessions.Sink
	// Sync returns once all that was recorded before survives a power cut.
	Sync(context.Context) error
}

// ingest takes events of others, and answers when they are in the spool.
type ingest struct {
	config    *Ingest
	sink      spooler
	redaction atomic.Pointer[redact.Redactor]
	handler   http.Handler
	metrics   *metrics
	logger    *slog.Logger
	now       func() time.Time
	running   chan struct{}
	decoding  chan struct{}
	stored    *stored
	// failed are requests that are to come again, by their sum.
	failed *lru.Cache[[sha256.Size]byte, receipt]
}

func newIngest(c *Ingest, r *policy.Redaction, sink spooler, known *stored, m *metrics, logger *slog.Logger) (*ingest, error) {
	in := &ingest{config: c, sink: sink, stored: known, metrics: m, logger: logger, now: time.Now, running: make(chan struct{}, maxIngests), decoding: make(chan struct{}, maxDecoding)}
	if err := in.hide(r); err != nil {
		return nil, err
	}
	var err error
	if in.failed, err = lru.New[[sha256.Size]byte, receipt](maxFailed); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/logs", in.serve(otlpForms()))
	mux.HandleFunc("POST /v1/events", in.serve(map[string]form{"application/x-ndjson": ndjsonForm(), "application/json": ndjsonForm()}))
	in.handler = in.guard(mux)
	return in, nil
}

// ServeHTTP takes events.
func (in *ingest) ServeHTTP(w http.ResponseWriter, r *http.Request) { in.handler.ServeHTTP(w, r) }

// hide says what is hidden from now on.
func (in *ingest) hide(c *policy.Redaction) error {
	r := new(redact.Redactor)
	r.Remember()
	for _, name := range c.Query {
		r.Hide(name)
	}
	for _, name := range c.Shown {
		r.Show(name)
	}
	for _, path := range c.Paths {
		p, err := redact.ParsePathPattern(path)
		if err != nil {
			return err
		}
		r.HidePath(p)
	}
	in.redaction.Store(r)
	return nil
}

// form is a form in which events are handed in.
type form struct {
	name string
	// events reads them; each is given to yield with what is wrong with it, if
	// something is. An error means that nothing can be made of the whole.
	events func(body []byte, yield func(*adminsessions.Event, error)) error
	// answer writes how many were refused, and why the first was.
	answer func(w http.ResponseWriter, accepted, refused int, why string)
	// failure writes why nothing, or not everything, was stored.
	failure func(w http.ResponseWriter, status int, why string)
}

// guard keeps browsers out, whatever page they show: they could be made to send
// what another site wants.
func (in *ingest) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" || !isLocal(r.Host) {
			http.Error(w, "events are taken from programs of this machine only", http.StatusForbidden)
			return
		}
		select {
		case in.running <- struct{}{}:
			defer func() { <-in.running }()
			next.ServeHTTP(w, r)
		default:
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many requests are under way", http.StatusTooManyRequests)
		}
	})
}

// isLocal reports whether a Host header names this machine. A name that somebody
// else's server gives out (DNS rebinding) does not.
func isLocal(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	addr, err := netip.ParseAddr(host)
	return host == "" || host == "localhost" || err == nil && addr.IsLoopback()
}

// serve takes events in one of some forms, chosen by the Content-Type.
func (in *ingest) serve(forms map[string]form) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		f, ok := forms[kind]
		if !ok {
			http.Error(w, fmt.Sprintf("Content-Type %q is not taken here", kind), http.StatusUnsupportedMediaType)
			return
		}
		body, status, err := in.read(w, r)
		if err != nil {
			in.metrics.ingested.WithLabelValues(ingestFailed).Inc()
			f.failure(w, status, err.Error())
			return
		}
		in.take(w, r, f, body)
	}
}

func (in *ingest) read(w http.ResponseWriter, r *http.Request) (body []byte, status int, err error) {
	limit := int64(in.config.MaxBytes)
	var from io.Reader = http.MaxBytesReader(w, r.Body, limit)
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		unpacked, err := gzip.NewReader(from)
		if err != nil {
			return nil, http.StatusBadRequest, fmt.Errorf("unpacking: %w", err)
		}
		from = io.LimitReader(unpacked, limit+1)
	default:
		return nil, http.StatusUnsupportedMediaType, fmt.Errorf("Content-Encoding %q is not taken here: want gzip, or none", encoding)
	}
	body, err = io.ReadAll(from)
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge || int64(len(body)) > limit {
		return nil, http.StatusRequestEntityTooLarge, fmt.Errorf("longer than %d bytes: send fewer events at once", limit)
	}
	if err != nil {
		return nil, http.StatusBadRequest, fmt.Errorf("reading: %w", err)
	}
	return body, 0, nil
}

// take stores the events of a request, and answers when they are as safe as
// asked. What is refused stays refused however often it is sent; what could not
// be stored is to be sent again.
func (in *ingest) take(w http.ResponseWriter, r *http.Request, f form, body []byte) {
	sum := sha256.Sum256(body)
	got, again := in.failed.Get(sum)
	if !again {
		got = newReceipt(in.now())
	}
	var events []adminsessions.Event
	refused, why := 0, ""
	refuse := func(err error) {
		if refused++; why == "" {
			why = err.Error()
		}
	}
	err := in.decode(f, body, func(e *adminsessions.Event, err error) {
		if err == nil {
			err = in.check(e)
		}
		switch {
		case err != nil:
			refuse(err)
		case len(events) == maxIngestEvents:
			refuse(fmt.Errorf("more than %d events at once", maxIngestEvents))
		default:
			in.clean(e, f.name)
			got.complete(e, len(events))
			events = append(events, *e)
		}
	})
	if err != nil {
		in.metrics.ingested.WithLabelValues(ingestFailed).Inc()
		f.failure(w, http.StatusBadRequest, err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), in.config.Timeout)
	defer cancel()
	if i, err := in.store(ctx, events); err != nil {
		in.failed.Add(sum, got)
		in.metrics.ingested.WithLabelValues(ingestFailed).Add(float64(len(events) - i))
		in.logger.Error("events that were handed in could not be stored; they are to be sent again", "stored", i, "of", len(events), "error", err)
		w.Header().Set("Retry-After", "2")
		f.failure(w, http.StatusServiceUnavailable, "the events could not be stored; send them again")
		return
	}
	in.failed.Remove(sum)
	in.metrics.ingested.WithLabelValues(ingestRefused).Add(float64(refused))
	f.answer(w, len(events), refused, why)
}

// store stores those events that are not stored yet, and returns how many are. On
// an error the rest is not. Events that came again are no safer than they were left,
// so what is to be synced is synced for these as well.
func (in *ingest) store(ctx context.Context, events []adminsessions.Event) (n int, err error) {
	same := repeats{}
	var line []byte
	for i := range events {
		e := &events[i]
		line = e.AppendLine(line[:0])
		again, err := in.stored.once(same.next(keyOf(e.Time, line)), func() error {
			return in.sink.RecordEvent(ctx, e, adminsessions.Spooled)
		})
		switch {
		case err != nil && !isStored(err):
			return i, err
		case again:
			in.metrics.ingested.WithLabelValues(ingestResent).Inc()
		default:
			in.metrics.ingested.WithLabelValues(ingestAccepted).Inc()
		}
		if err != nil { // it is not known to be safe
			return i + 1, err
		}
	}
	if in.config.Durability == "synced" {
		return len(events), in.sink.Sync(ctx)
	}
	return len(events), nil
}

// decode reads events, a few requests at a time: they take more room in memory
// than they had on the way.
func (in *ingest) decode(f form, body []byte, yield func(*adminsessions.Event, error)) error {
	in.decoding <- struct{}{}
	defer func() { <-in.decoding }()
	return f.events(body, yield)
}

var errTrail = errors.New("events of type TRAIL are the trail's own: nobody else writes them")

// check refuses what an event from elsewhere must not be.
func (in *ingest) check(e *adminsessions.Event) error {
	// As it will stand in the line: without what can't be seen.
	action, _ := text.Clean(e.Action, len(e.Action))
	if e.Type == adminsessions.Trail || e.Checkpoint != "" || strings.HasPrefix(strings.ToLower(strings.TrimSpace(action)), "trail.") {
		return errTrail
	}
	if e.Time.Sub(in.now()) > maxAhead {
		return fmt.Errorf("time %s is in the future", e.Time.UTC().Format(time.RFC3339))
	}
	return nil
}

// clean hides secrets in what an event says, and marks it. Line breaks, control
// characters and lengths are seen to where its line is written.
func (in *ingest) clean(e *adminsessions.Event, how string) {
	r := in.redaction.Load()
	e.URL, _ = r.URL(e.URL, maxURLBytes)
	for _, s := range []*string{&e.Note, &e.Reason, &e.Resource.ID, &e.Resource.Name, &e.UserAgent, &e.Cause, &e.ErrorType,
		&e.Actor.CredentialID, &e.Actor.TenantID} {
		*s = r.Text(*s)
	}
	for i := range e.Changes {
		c := &e.Changes[i]
		name := c.Field[strings.LastIndexByte(c.Field, '.')+1:]
		for _, value := range []*string{&c.Old, &c.New} {
			if *value != "" && r.HidesName(name, *value) {
				*value = redact.Placeholder
			}
			*value = r.Text(*value)
		}
	}
	// The mark comes first, where nothing that is long cuts it off, and the others in
	// an order that does not depend on who sends them again.
	kept := append(make([]attribute.KeyValue, 0, 1+len(e.Attributes)), attribute.String(ingestKey, how))
	for _, kv := range e.Attributes {
		if kv.Key == ingestKey || strings.HasPrefix(string(kv.Key), "audit.") {
			continue
		}
		value := kv.Value.String()
		if r.HidesName(string(kv.Key), value) {
			value = redact.Placeholder
		}
		kept = append(kept, attribute.String(string(kv.Key), r.Text(value)))
	}
	slices.SortStableFunc(kept[1:], func(a, b attribute.KeyValue) int { return strings.Compare(string(a.Key), string(b.Key)) })
	e.Attributes = kept // what is too many is cut where the line is written, and said there
}

// lines are the lines of a body that are not empty.
func lines(body []byte, yield func([]byte)) {
	for line := range bytes.Lines(body) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			yield(line)
		}
	}
}
