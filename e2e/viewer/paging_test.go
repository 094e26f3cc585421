package viewer

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/viewer"
)

// TestPagingYieldsEachEventOnce pages through results of random shape, most of
// them with many events at one nanosecond, in random page sizes and both
// directions, while new events keep arriving.
func TestPagingYieldsEachEventOnce(t *testing.T) {
	loki := lokitest.Start(t)
	p := newPanel(t, loki)
	start := time.Now().Add(-20 * time.Hour)
	// Others' events, so many that those of a round are not all read at once.
	const others, batch = 20_000, 1000
	for i := range others / batch {
		span := 20 * time.Hour / (others / batch)
		push(t, loki, stream("others", traffic(uint64(i), start.Add(time.Duration(i+1)*span), span, batch)...))
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	next := 0
	for round := range 12 {
		t.Run(strconv.Itoa(round), func(t *testing.T) {
			service := fmt.Sprintf("round-%d", round)
			// Every event of the round carries its service in the URL: the
			// rounds see only their own.
			make1 := func(at time.Time) adminsessions.Event {
				next++
				return event(at, next, func(e *adminsessions.Event) { e.URL = fmt.Sprintf("https://%s.example/%d", service, next) })
			}
			want := make(map[string]int)
			instances := 1 + rnd.IntN(4)
			streams := make([]lokitest.Stream, instances)
			// A common clock that often stands still, so that all instances
			// have events at the same nanosecond.
			at := time.Now().Add(-20 * time.Hour)
			for range 60 + rnd.IntN(300) {
				if rnd.IntN(3) > 0 {
					at = at.Add(time.Duration(rnd.Int64N(int64(5 * time.Minute))))
				}
				if rnd.IntN(50) == 0 && time.Since(at) > 4*time.Hour {
					at = at.Add(time.Duration(rnd.Int64N(int64(3 * time.Hour))))
				}
				if newest := time.Now().Add(-time.Minute); at.After(newest) {
					at = newest
				}
				i := rnd.IntN(instances)
				e := make1(at)
				want[e.RequestID]++
				s := stream(fmt.Sprintf("%s-%d", service, i), e)
				streams[i].Labels = s.Labels
				streams[i].Entries = append(streams[i].Entries, s.Entries...)
			}
			push(t, loki, slices.DeleteFunc(streams, func(s lokitest.Stream) bool { return len(s.Entries) == 0 })...)

			ctx, cancel := context.WithCancel(t.Context())
			arrived := make(chan struct{})
			go func() {
				defer close(arrived)
				for i := 1000000 * (round + 1); ctx.Err() == nil; i++ {
					late := event(time.Now(), i, func(e *adminsessions.Event) { e.URL = fmt.Sprintf("https://%s.example/new/%d", service, i) })
					_ = loki.Push(ctx, stream(service+"-new", late)) // ended by cancel
				}
			}()
			defer func() { cancel(); <-arrived }()

			for _, order := range []string{"-time", "time"} {
				size := []int{25, 50, 100, 200}[rnd.IntN(4)]
				q := query("q", service+".example", "range", "7d", "sort", order, "size", strconv.Itoa(size))
				got := p.events(t, q)
				seen := counted(got)
				for id := range want {
					if seen[id] != 1 {
						t.Errorf("%s, size %d: event %s came %d times", order, size, id, seen[id])
					}
				}
				for id, n := range seen {
					if n > 1 {
						t.Errorf("%s, size %d: event %s came %d times", order, size, id, n)
					}
				}
				if !slices.IsSortedFunc(got, func(a, b apiEvent) int {
					if order == "time" {
						return a.Time.Compare(b.Time)
					}
					return b.Time.Compare(a.Time)
				}) {
					t.Errorf("%s, size %d: out of order", order, size)
				}
			}
		})
	}
}

// TestManyEventsAtOneNanosecond has more events at one nanosecond than fit on a
// page, and more than one query asks for.
func TestManyEventsAtOneNanosecond(t *testing.T) {
	loki := lokitest.Start(t)
	p := newPanel(t, loki)
	at := time.Now().Add(-time.Hour)
	var events []adminsessions.Event
	for i := range 700 {
		switch {
		case i == 50 || i == 650:
			at = at.Add(time.Second)
		case i < 50 || i > 650:
			at = at.Add(time.Nanosecond)
		}
		events = append(events, event(at, i))
	}
	push(t, loki, stream("one", events...))
	for _, order := range []string{"-time", "time"} {
		seen := counted(p.events(t, query("sort", order, "size", "100")))
		for _, e := range events {
			if seen[e.RequestID] != 1 {
				t.Errorf("%s: event %s came %d times", order, e.RequestID, seen[e.RequestID])
			}
		}
		if len(seen) != len(events) {
			t.Errorf("%s: %d events, want %d", order, len(seen), len(events))
		}
	}
	count, status, err := p.api(t.Context(), "count", url.Values{})
	if err != nil || status != http.StatusOK || count.Count != len(events) {
		t.Errorf("count = %d, status %d, %v; want %d", count.Count, status, err, len(events))
	}
}

// TestGoingBack goes on and back through the page's own links and sees the same
// pages again.
func TestGoingBack(t *testing.T) {
	loki := lokitest.Start(t)
	p := newPanel(t, loki)
	at := time.Now().Add(-time.Hour)
	var events []adminsessions.Event
	for i := range 130 {
		if i%5 == 0 {
			at = at.Add(time.Second)
		}
		events = append(events, event(at, i))
	}
	push(t, loki, stream("one", events...))
	for _, order := range []string{"-time", "time", "url", "-duration"} {
		t.Run(order, func(t *testing.T) {
			var pages [][]string
			link := "?" + query("sort", order, "size", "25").Encode()
			for link != "" {
				body := p.page(t, link)
				pages = append(pages, rowKeys(body))
				link = linkOf(body, `rel="next"`)
				if link == "" {
					link = linkOf(body, `rel="prev"`)
					break
				}
			}
			if len(pages) != 6 || len(pages[5]) != 5 {
				t.Fatalf("%d pages, want 6 and 5 rows on the last", len(pages))
			}
			for i := 4; i >= 0; i-- {
				body := p.page(t, link)
				if got := rowKeys(body); !slices.Equal(got, pages[i]) {
					t.Errorf("going back to page %d: %d rows, other than before", i+1, len(got))
				}
				if want := fmt.Sprintf("%d–%d of 130", i*25+1, i*25+25); !strings.Contains(body, want) {
					t.Errorf("page %d does not say %q", i+1, want)
				}
				link = linkOf(body, `rel="prev"`)
			}
			if link != "" {
				t.Error("there is something before the first page")
			}
		})
	}
}

// TestMoreAtOneNanosecondThanLokiGives has somebody write more events of one
// nanosecond than an answer of Loki can hold: they stop nothing.
func TestMoreAtOneNanosecondThanLokiGives(t *testing.T) {
	const many = 5_200
	loki := lokitest.Start(t)
	p := newPanel(t, loki, func(c *viewer.Config) { c.QueryTimeout = 3 * time.Minute }) // Loki's own time grows with the square
	at := time.Now().Add(-time.Hour)
	var crowd []adminsessions.Event
	same := lokitest.Stream{Labels: stream("same").Labels}
	for i := range many {
		crowd = append(crowd, event(at, i))
		// Lines that can't be told apart by any number of characters.
		e := event(at.Add(time.Minute), 7, func(e *adminsessions.Event) {
			e.Note = strings.Repeat("x", i%20) + string(rune('α'+i/20)) + strings.Repeat("x", 20-i%20)
		})
		same.Entries = append(same.Entries, entry(&e))
	}
	push(t, loki, stream("before", event(at.Add(-time.Second), 1_000_000)), stream("crowd", crowd...), stream("between", event(at.Add(time.Second), 1_000_001)))
	push(t, loki, same)
	push(t, loki, stream("after", event(at.Add(2*time.Minute), 1_000_002)))
	resp, err := p.get(t.Context(), prefix+"export.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	seen, alike, said := map[string]int{}, 0, 0
	for _, e := range readNDJSON(t, resp) {
		seen[e.Fields["request"]]++
		if strings.HasPrefix(e.Fields["note"], "x") {
			alike++
		}
		if strings.Contains(e.Line, "more than Loki gives") {
			said++
		}
	}
	for _, n := range []int{1_000_000, 1_000_001, 1_000_002} {
		if id := event(at, n).RequestID; seen[id] != 1 {
			t.Errorf("%s, beside the crowds, comes %d times", id, seen[id])
		}
	}
	missing := 0
	for i := range crowd {
		if id := crowd[i].RequestID; i != 7 && seen[id] != 1 {
			missing++
		}
	}
	if missing != 0 || said != 1 || alike < 4000 {
		t.Errorf("%d of the crowd are missing, %d of those alike are there; that some are not is said %d times, want once", missing, alike, said)
	}
	for _, order := range []string{"time", "url"} {
		first, status, err := p.api(t.Context(), "events", query("sort", order, "size", "25"))
		if err != nil || status != http.StatusOK || len(first.Events) != 25 {
			t.Errorf("by %s: %d events, status %d, %v", order, len(first.Events), status, err)
		}
	}
}

func readNDJSON(t *testing.T, resp *http.Response) (events []apiEvent) {
	t.Helper()
	defer resp.Body.Close()
	dec := json.NewDecoder(resp.Body)
	for {
		var e apiEvent
		switch err := dec.Decode(&e); err {
		case nil:
			events = append(events, e)
		case io.EOF:
			return events
		default:
			t.Fatal(err)
		}
	}
}

// TestEventsOfAClockThatIsAhead are seen at once, not when their time has come.
func TestEventsOfAClockThatIsAhead(t *testing.T) {
	loki := lokitest.Start(t)
	p := newPanel(t, loki)
	now := time.Now()
	ahead := event(now.Add(8*time.Minute), 1)
	behind := event(now, 2) // stamped behind it by the exporter, which keeps the order
	s := stream("one", ahead)
	s.Entries = append(s.Entries, lokitest.Entry{Time: ahead.Time.Add(1),
		Line: string(adminsessions.AppendSequence(behind.AppendLine(nil), 3, behind.Time))})
	push(t, loki, s)
	for _, q := range []url.Values{query(), query("range", "15m"), query("sort", "url"), query("from", now.Add(-time.Minute).Format(time.RFC3339))} {
		if got := counted(p.events(t, q)); len(got) != 2 {
			t.Errorf("%v shows %d events, want 2", q, len(got))
		}
		if count, _, err := p.api(t.Context(), "count", q); err != nil || count.Count != 2 || count.AtLeast {
			t.Errorf("%v counts %+v, %v, want 2", q, count, err)
		}
	}
	if got := p.events(t, query()); len(got) == 2 && !got[0].Time.Equal(behind.Time.Truncate(0)) && !got[1].Time.Equal(behind.Time) {
		t.Errorf("the time of arrival is lost: %v", got)
	}
}
