package lokitest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions/internal/loki"
)

// A Range is a time range, From inclusive and To exclusive, as in Loki.
type Range struct {
	From, To time.Time
}

// Last is the range from d ago until an hour ahead, so that entries written
// while the query is made are in it.
func Last(d time.Duration) Range {
	now := time.Now()
	return Range{From: now.Add(-d), To: now.Add(time.Hour)}
}

// An Entry is one log entry as Loki returns it. Entries of one stream share
// their maps; do not change them.
type Entry struct {
	Time     time.Time
	Line     string
	Labels   map[string]string // index labels
	Metadata map[string]string // structured metadata
	Parsed   map[string]string // what the query's parsers and formatters added
}

// A Sample is one series of an instant query's answer, a Series one of a range
// query's, a Point a value at a time.
type (
	Sample = loki.Sample
	Series = loki.Series
	Point  = loki.Point
)

// A Stream is what Push takes: entries under one set of index labels. Only
// Time, Line and Metadata of its entries are sent.
type Stream struct {
	Labels  map[string]string
	Entries []Entry
}

// Push sends streams in one request of Loki's JSON push API. An answer other
// than 204 is an error with Loki's words.
func (s *Server) Push(ctx context.Context, streams ...Stream) error {
	type stream struct {
		Stream map[string]string `json:"stream"`
		Values [][]any           `json:"values"`
	}
	body := struct {
		Streams []stream `json:"streams"`
	}{}
	for _, in := range streams {
		out := stream{Stream: in.Labels}
		for _, e := range in.Entries {
			value := []any{strconv.FormatInt(e.Time.UnixNano(), 10), e.Line}
			if len(e.Metadata) > 0 {
				value = append(value, e.Metadata)
			}
			out.Values = append(out.Values, value)
		}
		body.Streams = append(body.Streams, out)
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode a push: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.PushURL(), bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	return s.do(req)
}

// Flush makes Loki write what it holds in memory to its store.
func (s *Server) Flush(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL()+"/flush", http.NoBody)
	if err != nil {
		return err
	}
	return s.do(req)
}

// FlushAndForget makes Loki write what it holds in memory to its store, and
// returns when it holds it no more, which takes half a minute. Until then a
// query reads it twice: no time to measure.
func (s *Server) FlushAndForget(ctx context.Context) error {
	if err := s.Flush(ctx); err != nil {
		return err
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		n, err := s.memoryChunks(ctx)
		if err != nil || n == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until Loki forgets %d chunks: %w", n, ctx.Err())
		case <-tick.C:
		}
	}
}

// memoryChunks is how many chunks Loki holds in memory.
func (s *Server) memoryChunks(ctx context.Context) (int, error) {
	const metric = "loki_ingester_memory_chunks "
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+"/metrics", http.NoBody)
	if err != nil {
		return 0, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), metric); ok {
			return strconv.Atoi(value)
		}
	}
	if err := lines.Err(); err != nil {
		return 0, fmt.Errorf("reading Loki's metrics: %w", err)
	}
	return 0, fmt.Errorf("among Loki's metrics there is no %s", metric)
}

// Query returns every entry of a log query, oldest first, however many there
// are. It fails if more entries than fit a page share one nanosecond.
func (s *Server) Query(ctx context.Context, logql string, within Range) ([]Entry, error) {
	found, err := s.loki.AllLogs(ctx, logql, within.From.UnixNano(), within.To.UnixNano())
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", logql, err)
	}
	entries := make([]Entry, len(found))
	for i, e := range found {
		entries[i] = Entry{Time: e.Time(), Line: e.Line, Labels: e.Labels, Metadata: e.Metadata, Parsed: e.Parsed}
	}
	return entries, nil
}

// Await returns the entries of a log query as soon as there are at least
// count of them. It fails the test when ctx ends first, or after a minute.
func (s *Server) Await(ctx context.Context, logql string, within Range, count int) []Entry {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		entries, err := s.Query(ctx, logql, within)
		if err == nil && len(entries) >= count {
			return entries
		}
		select {
		case <-ctx.Done():
			s.t.Fatalf("query %s: want %d entries, have %d (last error: %v)", logql, count, len(entries), err)
		case <-tick.C:
		}
	}
}

// Instant returns the series of a metric query at one point in time.
func (s *Server) Instant(ctx context.Context, logql string, at time.Time) ([]Sample, error) {
	samples, err := s.loki.Instant(ctx, logql, at)
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", logql, err)
	}
	return samples, nil
}

// Series returns the series of a metric query over a range, a point every
// step.
func (s *Server) Series(ctx context.Context, logql string, within Range, step time.Duration) ([]Series, error) {
	series, err := s.loki.Range(ctx, logql, within.From, within.To, step)
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", logql, err)
	}
	return series, nil
}

// Get asks one of Loki's endpoints and decodes its answer into what into points
// to, if that is not nil. An answer other than 2xx is an error with Loki's words.
func (s *Server) Get(ctx context.Context, path string, params url.Values, into any) error {
	return s.loki.Get(ctx, path, params, into)
}

// do makes a request that is no question.
func (s *Server) do(req *http.Request) error {
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return readError(resp)
	}
	return nil
}
