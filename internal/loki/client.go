package loki

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
)

const (
	userAgent = "adminsessions/" + adminsessions.Version

	// maxAnswer bounds what is read of one answer: 5,000 entries of 12 KiB.
	maxAnswer = 64 << 20

	// encodingFlags asks Loki to tell index labels, structured metadata and
	// parsed labels apart.
	encodingFlags = "X-Loki-Response-Encoding-Flags"
)

// Client pushes to a Loki and asks it. Its methods may be called from many
// goroutines at once.
type Client struct {
	settings *settings
	http     *http.Client
	clock    clock
	now      func() time.Time
}

// New makes the client that c describes, completed from the environment by
// getenv, usually os.Getenv; nil leaves the environment out. It connects to
// nothing. The error names every field of c that is wrong.
func New(c adminsessions.Loki, getenv func(string) string) (*Client, error) {
	s, err := read(c, getenv)
	if err != nil {
		return nil, err
	}
	h, err := httpClient(s)
	if err != nil {
		return nil, err
	}
	return &Client{settings: s, http: h, now: time.Now}, nil
}

// URL is the base address for pushing, QueryURL that for asking. Neither holds a
// secret.
func (c *Client) URL() string { return c.settings.push.String() }

// QueryURL is the base address for questions.
func (c *Client) QueryURL() string { return c.settings.query.String() }

// CloseIdleConnections closes connections that are not in use.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// Get asks an endpoint of Loki's query address, such as
// "/loki/api/v1/status/buildinfo", and decodes its answer into what into points
// to, if that is not nil. Errors are of type *[Error].
func (c *Client) Get(ctx context.Context, path string, params url.Values, into any) error {
	u := c.settings.query.JoinPath(path)
	u.RawQuery = params.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return fmt.Errorf("making a query for Loki: %w", err)
	}
	req.Header.Set(encodingFlags, "categorize-labels")
	c.identify(req, c.settings.QueryTenantID)
	sent := c.now()
	resp, err := c.http.Do(req)
	if err != nil {
		return transportError(ctx, err)
	}
	defer resp.Body.Close()
	c.clock.observe(resp.Header, sent, c.now())
	body := &io.LimitedReader{R: resp.Body, N: maxAnswer}
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(body, 4096))
		return answerError(resp.StatusCode, strings.TrimSpace(string(text)))
	}
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(body).Decode(into); err != nil {
		switch {
		case body.N <= 0:
			return &Error{Kind: TooBroad, Detail: fmt.Sprintf("the answer exceeds %d bytes", maxAnswer)}
		case ctx.Err() != nil || errors.Is(err, io.ErrUnexpectedEOF):
			return transportError(ctx, err)
		}
		return &Error{Kind: Misconfigured, Detail: "what answers is not Loki: " + err.Error(), err: err}
	}
	return nil
}

// identify sets the headers that every request of the client has, besides the
// transport's.
func (c *Client) identify(req *http.Request, tenant string) {
	req.Header.Set("User-Agent", userAgent)
	if tenant != "" {
		req.Header[tenantHeader] = []string{tenant}
	}
}
