package trail

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
)

// MaxBatch is how many entries one answer may hold: Loki's default for
// max_entries_limit_per_query.
const MaxBatch = 5000

// maxAnswer bounds what is read of one answer: 5,000 entries of 12 KiB.
const maxAnswer = 64 << 20

// encodingFlags asks Loki to tell index labels from structured metadata.
const encodingFlags = "X-Loki-Response-Encoding-Flags"

// Client asks one Loki. Its fields are set before it is first used.
type Client struct {
	// URL is Loki's base, without /loki/api.
	URL *url.URL
	// HTTP sends the requests. It must not be nil.
	HTTP *http.Client
	// Tenant is sent as X-Scope-OrgID if not empty.
	Tenant string
	// Username and Password, or BearerToken, go into Authorization.
	Username, Password, BearerToken string
}

// entry is one element of "values": time, line, and with categorized labels an
// object with the structured metadata.
type entry struct {
	nanos    int64
	line     string
	metadata map[string]string
}

func (e *entry) UnmarshalJSON(b []byte) error {
	var nanos string
	var categories struct {
		StructuredMetadata map[string]string `json:"structuredMetadata"`
	}
	if err := json.Unmarshal(b, &[]any{&nanos, &e.line, &categories}); err != nil {
		return err
	}
	var err error
	if e.nanos, err = strconv.ParseInt(nanos, 10, 64); err != nil {
		return fmt.Errorf("timestamp of an entry: %w", err)
	}
	e.metadata = categories.StructuredMetadata
	return nil
}

// queryRange returns at most limit events of expr within a span, the newest if
// newest, else the oldest, in Loki's order, and how many entries Loki has read
// for them; 0 if it does not say.
func (c *Client) queryRange(ctx context.Context, expr string, within span, limit int, newest bool) (events []Event, read int64, err error) {
	direction := "forward"
	if newest {
		direction = "backward"
	}
	var streams []struct {
		Stream map[string]string `json:"stream"`
		Values []entry           `json:"values"`
	}
	read, err = c.get(ctx, "query_range", "streams", url.Values{
		"query":     {expr},
		"start":     {strconv.FormatInt(within.from, 10)},
		"end":       {strconv.FormatInt(within.to, 10)},
		"limit":     {strconv.Itoa(limit)},
		"direction": {direction},
	}, &streams)
	if err != nil {
		return nil, 0, err
	}
	for _, s := range streams {
		for _, v := range s.Values {
			e := Event{Nanos: v.nanos, Line: v.line, Labels: s.Stream, Metadata: v.metadata}
			e.seal()
			events = append(events, e)
		}
	}
	return events, read, nil
}

// sample is one series of an instant query.
type sample struct {
	Metric map[string]string `json:"metric"`
	Value  sampleValue       `json:"value"`
}

type sampleValue float64

func (v *sampleValue) UnmarshalJSON(b []byte) error {
	var at json.RawMessage
	var value string
	if err := json.Unmarshal(b, &[]any{&at, &value}); err != nil {
		return err
	}
	f, err := strconv.ParseFloat(value, 64)
	*v = sampleValue(f)
	return err
}

// query evaluates the metric query expr at a point of time.
func (c *Client) query(ctx context.Context, expr string, at time.Time) ([]sample, error) {
	var samples []sample
	_, err := c.get(ctx, "query", "vector", url.Values{
		"query": {expr},
		"time":  {strconv.FormatInt(at.UnixNano(), 10)},
	}, &samples)
	return samples, err
}

// get asks an endpoint, decodes the result of its answer, and returns how many
// entries Loki has read for it.
func (c *Client) get(ctx context.Context, endpoint, resultType string, params url.Values, result any) (read int64, err error) {
	u := c.URL.JoinPath("loki/api/v1", endpoint)
	u.RawQuery = params.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return 0, fmt.Errorf("making a query for Loki: %w", err)
	}
	req.Header.Set(encodingFlags, "categorize-labels")
	req.Header.Set("User-Agent", "adminsessions/"+adminsessions.Version)
	if c.Tenant != "" {
		req.Header.Set("X-Scope-OrgID", c.Tenant)
	}
	switch {
	case c.Username != "" || c.Password != "":
		req.Header.Set("Authorization", "Basic "+
			base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password)))
	case c.BearerToken != "":
		req.Header.Set("Authorization", "Bearer "+c.BearerToken)
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return 0, transportError(ctx, err)
	}
	defer resp.Body.Close()
	body := &io.LimitedReader{R: resp.Body, N: maxAnswer}
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(body, 4096))
		return 0, answerError(resp.StatusCode, strings.TrimSpace(string(text)))
	}
	var answer struct {
		Data struct {
			ResultType string          `json:"resultType"`
			Result     json.RawMessage `json:"result"`
			Stats      struct {
				Summary struct {
					Read int64 `json:"totalLinesProcessed"`
				} `json:"summary"`
			} `json:"stats"`
		} `json:"data"`
	}
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		if body.N <= 0 {
			return 0, &Error{Kind: TooBroad, Detail: fmt.Sprintf("answer of Loki exceeds %d bytes", maxAnswer)}
		}
		if ctx.Err() != nil || errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, transportError(ctx, err)
		}
		return 0, &Error{Kind: Misconfigured, Detail: "what answers is not Loki: " + err.Error(), err: err}
	}
	if answer.Data.ResultType != resultType {
		return 0, &Error{Kind: Misconfigured, Detail: fmt.Sprintf("Loki answered a %.20q, want %q", answer.Data.ResultType, resultType)}
	}
	if err := json.Unmarshal(answer.Data.Result, result); err != nil {
		return 0, &Error{Kind: Misconfigured, Detail: "reading the answer of Loki: " + err.Error(), err: err}
	}
	return answer.Data.Stats.Summary.Read, nil
}
