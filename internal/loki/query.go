package loki

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// MaxEntries is how many entries one answer may hold: Loki's default for
// max_entries_limit_per_query.
const MaxEntries = 5000

// Entry is one log entry. Entries of one stream share their maps, which must not
// be changed.
type Entry struct {
	// Nanos is the timestamp, in Unix nanoseconds.
	Nanos  int64
	Line   string
	Labels map[string]string // index labels

	Metadata map[string]string // structured metadata, of entries that are not the exporter's
	Parsed   map[string]string // what the query's parsers and formatters added
}

// Time is the entry's timestamp.
func (e *Entry) Time() time.Time { return time.Unix(0, e.Nanos) }

// LogQuery is a question for log entries.
type LogQuery struct {
	Expr string
	// From (inclusive) and To (exclusive) are in Unix nanoseconds.
	From, To int64
	// Limit is the most entries wanted, at most [MaxEntries].
	Limit int
	// Newest asks for the newest entries instead of the oldest.
	Newest bool
}

// Logs returns entries in the order of time, the newest first if those were asked
// for, and how many entries Loki has read for them, 0 if it does not say.
func (c *Client) Logs(ctx context.Context, q LogQuery) (entries []Entry, read int64, err error) {
	direction := "forward"
	if q.Newest {
		direction = "backward"
	}
	var streams []struct {
		Stream map[string]string `json:"stream"`
		Values []value           `json:"values"`
	}
	read, _, err = c.query(ctx, "query_range", "streams", url.Values{
		"query":     {q.Expr},
		"start":     {strconv.FormatInt(q.From, 10)},
		"end":       {strconv.FormatInt(q.To, 10)},
		"limit":     {strconv.Itoa(q.Limit)},
		"direction": {direction},
	}, &streams)
	if err != nil {
		return nil, 0, err
	}
	for _, s := range streams {
		for _, v := range s.Values {
			entries = append(entries, Entry{v.nanos, v.line, s.Stream, v.metadata, v.parsed})
		}
	}
	slices.SortStableFunc(entries, func(a, b Entry) int {
		if q.Newest {
			a, b = b, a
		}
		return cmp.Compare(a.Nanos, b.Nanos)
	})
	return entries, read, nil
}

// AllLogs returns every entry within the range, oldest first, however many there
// are: it asks for page after page. It fails if more entries than fit a page
// share one nanosecond.
func (c *Client) AllLogs(ctx context.Context, expr string, from, to int64) ([]Entry, error) {
	var entries []Entry
	for {
		page, _, err := c.Logs(ctx, LogQuery{Expr: expr, From: from, To: to, Limit: MaxEntries})
		if err != nil {
			return nil, err
		}
		if len(page) < MaxEntries {
			return append(entries, page...), nil
		}
		// The next page starts with the last nanosecond of this one, whose
		// entries may not all have fitted.
		next := page[len(page)-1].Nanos
		if next <= from {
			return nil, fmt.Errorf("query %s: more than %d entries at %s", expr, MaxEntries, time.Unix(0, next))
		}
		for _, e := range page {
			if e.Nanos < next {
				entries = append(entries, e)
			}
		}
		from = next
	}
}

// Sample is one series of an instant query.
type Sample struct {
	Labels map[string]string
	Value  float64
}

// Vector is what Loki answers to an instant query.
type Vector struct {
	Samples []Sample
	// Read is how many entries Loki has read for it, 0 if it does not say.
	Read int64
	// Warnings are Loki's own, about an answer that is not whole.
	Warnings []string
}

// Instant evaluates a metric query at a point in time.
func (c *Client) Instant(ctx context.Context, expr string, at time.Time) ([]Sample, error) {
	vector, err := c.InstantVector(ctx, expr, at)
	return vector.Samples, err
}

// InstantVector is Instant with what Loki says beside the samples.
func (c *Client) InstantVector(ctx context.Context, expr string, at time.Time) (Vector, error) {
	var series []struct {
		Metric map[string]string `json:"metric"`
		Value  point             `json:"value"`
	}
	read, warnings, err := c.query(ctx, "query", "vector", url.Values{
		"query": {expr},
		"time":  {strconv.FormatInt(at.UnixNano(), 10)},
	}, &series)
	if err != nil {
		return Vector{}, err
	}
	answer := Vector{Samples: make([]Sample, len(series)), Read: read, Warnings: warnings}
	for i, v := range series {
		answer.Samples[i] = Sample{v.Metric, v.Value.Value}
	}
	return answer, nil
}

// Series is one series of a metric query over a range.
type Series struct {
	Labels map[string]string
	Points []Point
}

// Point is a value at a time.
type Point struct {
	Time  time.Time
	Value float64
}

// Range evaluates a metric query at every step of a range.
func (c *Client) Range(ctx context.Context, expr string, from, to time.Time, step time.Duration) ([]Series, error) {
	var matrix []struct {
		Metric map[string]string `json:"metric"`
		Values []point           `json:"values"`
	}
	_, _, err := c.query(ctx, "query_range", "matrix", url.Values{
		"query": {expr},
		"start": {strconv.FormatInt(from.UnixNano(), 10)},
		"end":   {strconv.FormatInt(to.UnixNano(), 10)},
		"step":  {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)},
	}, &matrix)
	if err != nil {
		return nil, err
	}
	series := make([]Series, len(matrix))
	for i, m := range matrix {
		series[i] = Series{Labels: m.Metric, Points: make([]Point, len(m.Values))}
		for j, v := range m.Values {
			series[i].Points[j] = Point(v)
		}
	}
	return series, nil
}

// Streams returns the index labels of every stream that matches one of the
// selectors and has entries within the range.
func (c *Client) Streams(ctx context.Context, from, to time.Time, selectors ...string) ([]map[string]string, error) {
	params := span(from, to)
	params["match[]"] = selectors
	return list[map[string]string](ctx, c, "series", params)
}

// LabelValues returns the values that an index label has within the range, in
// streams that match the selector; an empty one matches all.
func (c *Client) LabelValues(ctx context.Context, name, selector string, from, to time.Time) ([]string, error) {
	params := span(from, to)
	if selector != "" {
		params.Set("query", selector)
	}
	return list[string](ctx, c, "label/"+url.PathEscape(name)+"/values", params)
}

func span(from, to time.Time) url.Values {
	return url.Values{
		"start": {strconv.FormatInt(from.UnixNano(), 10)},
		"end":   {strconv.FormatInt(to.UnixNano(), 10)},
	}
}

func list[T any](ctx context.Context, c *Client, endpoint string, params url.Values) ([]T, error) {
	var answer struct {
		Data []T `json:"data"`
	}
	err := c.Get(ctx, apiPath+"/"+endpoint, params, &answer)
	return answer.Data, err
}

// query asks one of the two endpoints for LogQL, decodes the result of its
// answer, and returns how many entries Loki has read for it and its warnings. An
// answer from which Loki has left out series is none: a part of them tells nothing.
func (c *Client) query(ctx context.Context, endpoint, resultType string, params url.Values, result any) (read int64, warnings []string, err error) {
	var answer struct {
		Warnings []string `json:"warnings"`
		Data     struct {
			ResultType string `json:"resultType"`
			Result     any    `json:"result"`
			Stats      struct {
				Summary struct {
					Read int64 `json:"totalLinesProcessed"`
				} `json:"summary"`
			} `json:"stats"`
		} `json:"data"`
	}
	answer.Data.Result = result
	err = c.Get(ctx, apiPath+"/"+endpoint, params, &answer)
	if got := answer.Data.ResultType; got != resultType && (err == nil || got != "") {
		return 0, nil, &Error{Kind: Misconfigured, Detail: fmt.Sprintf("the answer is a %.20q, want %q", got, resultType)}
	}
	if err != nil {
		return 0, nil, err
	}
	if i := slices.IndexFunc(answer.Warnings, tooManySeries); i >= 0 {
		return 0, nil, &Error{Kind: TooBroad, Detail: answer.Warnings[i], err: ErrTooManySeries}
	}
	return answer.Data.Stats.Summary.Read, answer.Warnings, nil
}
