package erase

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/proof"
)

// Config says whose events are erased, and from where. ID, Email or both are
// required.
type Config struct {
	// Loki is where the trail is, as for the exporter; what is zero is read from
	// the environment. It must allow deletions.
	Loki adminsessions.Loki
	// Services and Environments limit the trail to some applications. None means
	// all.
	Services, Environments []string

	// ID and Email are the person's. Events are theirs in which one of the two
	// stands as who acts, as whom, or as the name tried at a sign-in.
	ID, Email string
	// Mentions also finds events in which one of the two stands in any other part
	// that people read: a URL, a note, what was changed.
	Mentions bool

	// From and To are the times of the events. Zero means all.
	From, To time.Time
}

// Event is an event to be erased, without what it says.
type Event struct {
	Log    string
	Number uint64
	Time   time.Time

	hash proof.Hash
}

func (c *Config) open() (*loki.Client, *trail.Store, error) {
	if c.ID == "" && c.Email == "" {
		return nil, nil, errors.New("configuration of an erasure: ID and Email are missing; want one of them")
	}
	client, err := loki.New(c.Loki, os.Getenv)
	if err != nil {
		return nil, nil, fmt.Errorf("configuration of an erasure: %w", err)
	}
	store := trail.New(client, trail.Config{Services: c.Services, Environments: c.Environments, Now: time.Now}).Within(trail.Scope{All: true})
	return client, store, nil
}

// horizon is how far back events are looked for.
const horizon = 5 * 365 * 24 * time.Hour

func (c *Config) window() trail.Window {
	w := trail.Window{From: c.From, To: c.To}
	if w.From.IsZero() {
		w.From = time.Now().Add(-horizon)
	}
	if w.To.IsZero() {
		w.To = time.Now().Add(trail.Ahead)
	}
	return w
}

// Find returns the events that are the person's, in the order of logs and numbers.
func Find(ctx context.Context, c Config) ([]Event, error) {
	client, store, err := c.open()
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	w := c.window()
	logs, err := trail.FindLogs(ctx, store, w)
	if err != nil {
		return nil, fmt.Errorf("looking for logs: %w", err)
	}
	hints := map[string]bool{c.ID: true, c.Email: true, asWord(c.ID): true, asWord(c.Email): true}
	delete(hints, "")
	var found []Event
	for id, log := range logs {
		seen := map[uint64]bool{}
		for hint := range hints {
			within := w
			if log.Since.After(w.From) {
				within.From = log.Since
			}
			for e, err := range store.ReadLog(ctx, trail.LogRead{ID: id, Window: within, Containing: hint, AnyCase: true}) {
				if err != nil {
					return nil, fmt.Errorf("looking for events in the log %s: %w", id, err)
				}
				n, ok := adminsessions.SequenceOf(e.Line)
				if !ok || seen[n] || !c.isTheirs(e.Line) {
					continue
				}
				seen[n] = true
				h, _ := proof.Leaf(proof.Labels(e.Labels), e.Nanos, e.Line, nil)
				found = append(found, Event{Log: id, Number: n, Time: e.Time(), hash: h})
			}
		}
	}
	slices.SortFunc(found, func(a, b Event) int { return cmp.Or(cmp.Compare(a.Log, b.Log), cmp.Compare(a.Number, b.Number)) })
	return found, nil
}

// isTheirs reports whether a line is an event of the person's. The trail's own
// events are nobody's.
func (c *Config) isTheirs(line string) bool {
	e, err := adminsessions.ParseLine(line)
	if err != nil || e.Type == adminsessions.Trail {
		return false
	}
	is := func(value string) bool {
		return value != "" && (value == c.ID || c.Email != "" && strings.EqualFold(value, c.Email))
	}
	if slices.ContainsFunc([]string{e.User.ID, e.User.Email, e.Target.ID, e.Target.Email, e.SignIn.Name}, is) {
		return true
	}
	people, _, _ := strings.Cut(line, "\t")
	mentioned := func(s string) bool { return s != "" && strings.Contains(strings.ToLower(people), strings.ToLower(s)) }
	return c.Mentions && (mentioned(c.Email) || mentioned(asWord(c.Email)) || mentioned(c.ID))
}

// asWord is how a value stands in a line where it is a word.
func asWord(value string) string {
	if value == "" {
		return ""
	}
	_, rest, _ := strings.Cut((&adminsessions.Event{User: adminsessions.User{ID: value}}).Line(), " id=")
	word, _, _ := strings.Cut(rest, " ")
	return word
}

// Act says who erases and why. All of it goes on record.
type Act struct {
	By     adminsessions.User
	Reason string
	// Sink takes the record: the panel's exporter.
	Sink adminsessions.Sink
	// Flush, unless nil, brings what the sink has to Loki: ForceFlush of the
	// exporter.
	Flush func(context.Context) error
}

// Erase puts the erasure of events on record, waits until that is in Loki, and
// asks Loki to delete them. Erase may be called again with the same events if it
// fails.
func Erase(ctx context.Context, c Config, events []Event, act Act) error {
	client, store, err := c.open()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	if act.By.IsZero() || act.Reason == "" || act.Sink == nil {
		return errors.New("erasing: By, Reason and Sink are required: an erasure is an act of somebody, on record")
	}
	records, err := record(ctx, events, &act)
	if err != nil {
		return err
	}
	if act.Flush != nil {
		if err := act.Flush(ctx); err != nil {
			return fmt.Errorf("erasing: the record does not get to Loki, so nothing is deleted: %w", err)
		}
	}
	if err := arrived(ctx, store, records); err != nil {
		return fmt.Errorf("erasing: the record is not found in Loki, so nothing is deleted: %w", err)
	}
	for _, r := range requests(events) {
		if err := client.Delete(ctx, r.query, r.from, r.to); err != nil {
			return fmt.Errorf("erasing %s: %w", r.query, err)
		}
	}
	return nil
}

// record writes the events that say what is erased, and returns their ids.
func record(ctx context.Context, events []Event, act *Act) (ids map[string]bool, err error) {
	ids = map[string]bool{}
	for id, list := range byLog(events) {
		for part := range slices.Chunk(list, proof.MaxRecordedLeaves) {
			leaves := make([]proof.RecordedLeaf, len(part))
			for i, e := range part {
				leaves[i] = proof.RecordedLeaf{Number: e.Number, Hash: e.hash}
			}
			e := adminsessions.Event{
				Time: time.Now(), Type: adminsessions.Trail, RequestID: rand.Text(), User: act.By, Actor: adminsessions.Actor{Type: adminsessions.ActorUser},
				Action: proof.ErasedAction, Outcome: adminsessions.OutcomeSuccess, Reason: act.Reason,
				Note: fmt.Sprintf("%d events of log %s are erased", len(part), id), Attributes: proof.LeafAttributes(id, leaves),
			}
			if err := act.Sink.RecordEvent(ctx, &e, adminsessions.Synced); err != nil {
				return nil, fmt.Errorf("erasing: the record can't be written, so nothing is deleted: %w", err)
			}
			ids[e.RequestID] = true
		}
	}
	return ids, nil
}

func byLog(events []Event) map[string][]Event {
	logs := map[string][]Event{}
	for _, e := range events {
		logs[e.Log] = append(logs[e.Log], e)
	}
	return logs
}

// arrived waits until all records are in Loki.
func arrived(ctx context.Context, store *trail.Store, ids map[string]bool) error {
	w := trail.Window{From: time.Now().Add(-time.Hour), To: time.Now().Add(trail.Ahead)}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	missing := maps.Clone(ids)
	for {
		logs, err := trail.FindLogs(ctx, store, w)
		for id := range logs {
			for e, readErr := range store.ReadLog(ctx, trail.LogRead{ID: id, Window: w, Containing: " action=" + proof.ErasedAction + " "}) {
				if err = errors.Join(err, readErr); readErr != nil {
					break
				}
				if event, err := adminsessions.ParseLine(e.Line); err == nil {
					delete(missing, event.RequestID)
				}
			}
		}
		if len(missing) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%d of %d records are missing", len(missing), len(ids)), context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

// request is one to Loki: events of one log and one day, named by their numbers, so
// that the request itself says nothing of the person.
type request struct {
	query    string
	from, to time.Time
}

// maxNumbers bounds the numbers in one request.
const maxNumbers = 300

func requests(events []Event) (list []request) {
	logs := byLog(events)
	for _, id := range slices.Sorted(maps.Keys(logs)) {
		days := map[int64][]Event{}
		for _, e := range logs[id] {
			day := e.Time.Unix() / (24 * 60 * 60)
			days[day] = append(days[day], e)
		}
		for _, day := range slices.Sorted(maps.Keys(days)) {
			for part := range slices.Chunk(days[day], maxNumbers) {
				r := request{from: part[0].Time, to: part[0].Time}
				numbers := make([]string, len(part))
				for i, e := range part {
					numbers[i] = strconv.FormatUint(e.Number, 10)
					if e.Time.Before(r.from) {
						r.from = e.Time
					}
					if e.Time.After(r.to) {
						r.to = e.Time
					}
				}
				r.query = "{audit_log_id=" + strconv.Quote(id) + "} |~ " + strconv.Quote("\tseq=("+strings.Join(numbers, "|")+")( |$)")
				list = append(list, r)
			}
		}
	}
	return list
}
