package lokitest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
)

// pageSize is the most entries Loki returns to one query
// (max_entries_limit_per_query).
const pageSize = 5000

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

// A Sample is one series of an instant query's answer.
type Sample struct {
	Labels map[string]string
	Value  float64
}

// A Series is one series of a range query's answer.
type Series struct {
	Labels map[string]string
	Points []Point
}

// A Point is a value at a time.
type Point struct {
	Time  time.Time
	Value float64
}

// A Stream is what Push takes: entries under one set of index labels. Only
// Time, Line and Metadata of its entries are sent.
type Stream struct {
	Labels  map[string]string
	Entries []Entry
}

// Lines is the stream that the exporter stores beside s if it is to store the
// lines of events once more (exporter.WithLines).
func (s Stream) Lines() Stream {
	service := adminsessions.LokiName(adminsessions.KeyServiceName)
	lines := Stream{Labels: maps.Clone(s.Labels)}
	lines.Labels[adminsessions.LokiName(adminsessions.KeyLinesOf)] = s.Labels[service]
	lines.Labels[service] = adminsessions.LinesServiceName
	for _, e := range s.Entries {
		lines.Entries = append(lines.Entries, Entry{Time: e.Time, Line: e.Line})
	}
	return lines
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
	return s.do(req, nil)
}

// Flush makes Loki write what it holds in memory to its store.
func (s *Server) Flush(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL()+"/flush", http.NoBody)
	if err != nil {
		return err
	}
	return s.do(req, nil)
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
// are: it asks for page after page. It fails if more entries than fit a page
// share one nanosecond.
func (s *Server) Query(ctx context.Context, logql string, within Range) ([]Entry, error) {
	var entries []Entry
	from := within.From
	for {
		page, err := s.page(ctx, logql, Range{From: from, To: within.To})
		if err != nil {
			return nil, err
		}
		if len(page) < pageSize {
			return append(entries, page...), nil
		}
		// The next page starts with the last nanosecond of this one, whose
		// entries may not all have fitted.
		next := page[len(page)-1].Time
		if !next.After(from) {
			return nil, fmt.Errorf("query %s: more than %d entries at %s", logql, pageSize, next)
		}
		for _, e := range page {
			if e.Time.Before(next) {
				entries = append(entries, e)
			}
		}
		from = next
	}
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

// page returns the first entries of a log query, at most pageSize of them,
// oldest first.
func (s *Server) page(ctx context.Context, logql string, within Range) ([]Entry, error) {
	var data struct {
		Result []struct {
			Stream map[string]string `json:"stream"`
			Values []logValue        `json:"values"`
		} `json:"result"`
	}
	err := s.query(ctx, "/loki/api/v1/query_range", url.Values{
		"query":     {logql},
		"start":     {nanos(within.From)},
		"end":       {nanos(within.To)},
		"limit":     {strconv.Itoa(pageSize)},
		"direction": {"forward"},
	}, &data)
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for _, stream := range data.Result {
		for _, v := range stream.Values {
			entries = append(entries, Entry{
				Time: v.time, Line: v.line, Labels: stream.Stream,
				Metadata: v.metadata, Parsed: v.parsed,
			})
		}
	}
	sortByTime(entries)
	return entries, nil
}

// Instant returns the series of a metric query at one point in time.
func (s *Server) Instant(ctx context.Context, logql string, at time.Time) ([]Sample, error) {
	var data struct {
		Result []struct {
			Metric map[string]string `json:"metric"`
			Value  point             `json:"value"`
		} `json:"result"`
	}
	err := s.query(ctx, "/loki/api/v1/query", url.Values{"query": {logql}, "time": {nanos(at)}}, &data)
	if err != nil {
		return nil, err
	}
	samples := make([]Sample, 0, len(data.Result))
	for _, r := range data.Result {
		samples = append(samples, Sample{Labels: r.Metric, Value: r.Value.Value})
	}
	return samples, nil
}

// Series returns the series of a metric query over a range, a point every
// step.
func (s *Server) Series(ctx context.Context, logql string, within Range, step time.Duration) ([]Series, error) {
	var data struct {
		Result []struct {
			Metric map[string]string `json:"metric"`
			Values []point           `json:"values"`
		} `json:"result"`
	}
	err := s.query(ctx, "/loki/api/v1/query_range", url.Values{
		"query": {logql},
		"start": {nanos(within.From)},
		"end":   {nanos(within.To)},
		"step":  {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)},
	}, &data)
	if err != nil {
		return nil, err
	}
	series := make([]Series, 0, len(data.Result))
	for _, r := range data.Result {
		out := Series{Labels: r.Metric, Points: make([]Point, 0, len(r.Values))}
		for _, v := range r.Values {
			out.Points = append(out.Points, Point(v))
		}
		series = append(series, out)
	}
	return series, nil
}

// query asks one of Loki's query endpoints and decodes the data of its answer.
func (s *Server) query(ctx context.Context, path string, params url.Values, data any) error {
	answer := struct {
		Data any `json:"data"`
	}{Data: data}
	if err := s.Get(ctx, path, params, &answer); err != nil {
		return fmt.Errorf("query %s: %w", params.Get("query"), err)
	}
	return nil
}

// Get asks one of Loki's endpoints and decodes its answer into what into points
// to, if that is not nil. An answer other than 2xx is an error with Loki's words.
func (s *Server) Get(ctx context.Context, path string, params url.Values, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+path+"?"+params.Encode(), http.NoBody)
	if err != nil {
		return err
	}
	// Keeps index labels, structured metadata and parsed labels apart.
	req.Header.Set("X-Loki-Response-Encoding-Flags", "categorize-labels")
	return s.do(req, into)
}

func (s *Server) do(req *http.Request, into any) error {
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return readError(resp)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(into)
}
