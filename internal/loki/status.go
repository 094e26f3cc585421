package loki

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/klauspost/compress/s2"
)

// ShardLabel is the label by which Loki tells the shards of a stream that it has
// split, because it was written faster than shard_streams.desired_rate.
const ShardLabel = "__stream_shard__"

// Version is Loki's version.
func (c *Client) Version(ctx context.Context) (string, error) {
	var info struct {
		Version string `json:"version"`
	}
	err := c.Get(ctx, apiPath+"/status/buildinfo", nil, &info)
	return info.Version, err
}

// Limits are some of the tenant's limits, which Loki 3.5 and later tell whoever
// may ask it questions.
func (c *Client) Limits(ctx context.Context) (map[string]any, error) {
	var answer struct {
		Limits map[string]any `json:"limits"`
	}
	err := c.Get(ctx, apiPath+"/drilldown-limits", nil, &answer)
	return answer.Limits, err
}

// Config is Loki's configuration, as YAML, of the server that answers questions or
// else of the one that takes pushes. A gateway seldom lets it through. What a
// tenant has of its own is not in it.
func (c *Client) Config(ctx context.Context) ([]byte, error) {
	b, err := c.config(ctx, c.settings.query)
	if err != nil && c.settings.push.String() != c.settings.query.String() {
		if b, perr := c.config(ctx, c.settings.push); perr == nil {
			return b, nil
		}
	}
	return b, err
}

func (c *Client) config(ctx context.Context, base *url.URL) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath("config").String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("making a request for Loki's configuration: %w", err)
	}
	c.identify(req, c.settings.QueryTenantID)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, transportError(ctx, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return nil, transportError(ctx, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, answerError(resp.StatusCode, strings.TrimSpace(string(b[:min(len(b), 4096)])))
	}
	return b, nil
}

// Refusal is a push that was not taken, as a doctor's probe wants it.
type Refusal struct {
	Status int // 0 without an answer
	Text   string
}

// TryPush sends a push without a stream. Loki stores nothing and says no, but only
// to whom it would let push: a nil Refusal means that the push address, the
// credentials and the tenant are right.
func (c *Client) TryPush(ctx context.Context) *Refusal {
	a := c.Push(ctx, s2.EncodeSnappy(nil, nil))
	if a.Err == nil {
		return nil
	}
	e, ok := errors.AsType[*pushError](a.Err)
	if !ok {
		return &Refusal{0, a.Err.Error()}
	}
	if e.status == http.StatusUnprocessableEntity && strings.Contains(e.text, "at least one valid stream") {
		return nil
	}
	return &Refusal{e.status, e.text}
}

// MayDelete reports whether Loki lets whoever asks delete entries: it answers with
// the deletions that were asked for. known is false if it can't be told.
func (c *Client) MayDelete(ctx context.Context) (may, known bool) {
	err := c.Get(ctx, apiPath+"/delete", nil, nil)
	if err == nil {
		return true, true
	}
	e, ok := errors.AsType[*Error](err)
	return false, ok && (e.Status == http.StatusForbidden || e.Status == http.StatusUnauthorized || e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed ||
		strings.Contains(e.Detail, "deletion is not available"))
}
