package loki

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	contentType = "application/x-protobuf"

	// maxPushAnswer is how much of an answer is read: what Loki says of some
	// hundred entries.
	maxPushAnswer = 64 << 10

	maxRetryAfter = 5 * time.Minute
)

// Push sends one message of a [Stream] and waits for the answer, at most the
// timeout.
func (c *Client) Push(ctx context.Context, message []byte) Answer {
	start := c.now()
	a := c.send(ctx, message, start)
	a.Took = c.now().Sub(start)
	return a
}

func (c *Client) send(ctx context.Context, message []byte, start time.Time) Answer {
	ctx, cancel := context.WithTimeout(ctx, c.settings.Timeout)
	defer cancel()
	// The transport may go on reading the body after Do has returned, until it
	// has closed it; the caller uses the memory again.
	var open sync.WaitGroup
	defer open.Wait()
	newBody := func() (io.ReadCloser, error) {
		open.Add(1)
		return &requestBody{Reader: bytes.NewReader(message), closed: sync.OnceFunc(open.Done)}, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.settings.push.JoinPath(apiPath, "push").String(), http.NoBody)
	if err != nil {
		return Answer{Verdict: Hold, Status: "unexpected", Err: fmt.Errorf("making a push request: %w", err)}
	}
	req.ContentLength, req.GetBody = int64(len(message)), newBody
	req.Body, _ = newBody()
	req.Header.Set("Content-Type", contentType)
	c.identify(req, c.settings.TenantID)
	resp, err := c.http.Do(req)
	if err != nil {
		return noAnswer(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxPushAnswer))
	if err != nil {
		// The status line has come, but the answer is not whole: what a
		// cut connection leaves must not count as an acknowledgement.
		return noAnswer(fmt.Errorf("reading the answer: %w", err))
	}
	c.clock.observe(resp.Header, start, c.now())
	a := Classify(resp.StatusCode, string(text))
	if a.Verdict == TryAgain || a.Verdict == Throttled {
		a.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), c.now())
	}
	return a
}

// requestBody tells when the transport is done with it.
type requestBody struct {
	*bytes.Reader
	closed func()
}

func (b *requestBody) Close() error {
	b.closed()
	return nil
}

func noAnswer(err error) Answer {
	status := "transport"
	if errors.Is(err, context.DeadlineExceeded) {
		status = "timeout"
	}
	return Answer{Verdict: TryAgain, Status: status, Err: err}
}

// retryAfter reads a Retry-After header: seconds or a date (RFC 9110, 10.2.3).
// It is bounded, so that a mistake of a proxy does not stop the trail.
func retryAfter(header string, now time.Time) time.Duration {
	if header == "" {
		return 0
	}
	var d time.Duration
	if sec, err := strconv.ParseUint(header, 10, 31); err == nil {
		d = time.Duration(sec) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), maxRetryAfter)
}
