package exporter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// verdict is what an answer of Loki means for the batch it answers.
type verdict int

const (
	// delivered: Loki has every entry.
	delivered verdict = iota
	// again: nothing is known to be wrong with the batch; send it again later.
	again
	// hold: the configuration is wrong (credentials, tenant, address). Send it
	// again later, and say so loudly: a wrong password must not eat the trail.
	hold
	// tooLarge: nothing of the batch is stored; send it in parts.
	tooLarge
	// throttled: like again, and parts may pass where the whole cannot.
	throttled
	// refused: at least one entry is bad, the others may be stored.
	refused
)

// answer is one attempt to push.
type answer struct {
	verdict    verdict
	status     string        // bounded, for metrics: see pushStatuses
	retryAfter time.Duration // 0 if Loki did not say
	err        error         // nil if delivered; Loki's words, bounded
	duration   time.Duration
}

// Statuses of a failed push, the values of the label "status".
var pushStatuses = []string{"transport", "timeout", "3xx", "400", "401", "403", "404", "413", "429", "4xx", "500", "502", "503", "504", "5xx", "unexpected"}

const (
	contentType    = "application/x-protobuf"
	tenantHeader   = "X-Scope-OrgID"
	maxAnswerBytes = 2 << 10
	maxRetryAfter  = 5 * time.Minute
	pushPath       = "/loki/api/v1/push"
	defaultAgent   = "adminsessions-exporter"
)

// pusher sends messages to Loki's push endpoint. It may be used from several
// goroutines.
type pusher struct {
	client  *http.Client
	url     string
	tenant  string
	timeout time.Duration
}

// push sends one snappy-compressed PushRequest and waits for the answer, at
// most the timeout.
func (p *pusher) push(ctx context.Context, body []byte) answer {
	start := time.Now()
	a := p.send(ctx, body)
	a.duration = time.Since(start)
	return a
}

func (p *pusher) send(ctx context.Context, body []byte) answer {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	// The transport may go on reading the body after Do has returned, until it
	// has closed it; the caller uses the memory again.
	var open sync.WaitGroup
	defer open.Wait()
	newBody := func() (io.ReadCloser, error) {
		open.Add(1)
		return &requestBody{Reader: bytes.NewReader(body), closed: sync.OnceFunc(open.Done)}, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, http.NoBody)
	if err != nil {
		return answer{verdict: hold, status: "unexpected", err: fmt.Errorf("making a push request: %w", err)}
	}
	req.ContentLength, req.GetBody = int64(len(body)), newBody
	req.Body, _ = newBody()
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", defaultAgent)
	if p.tenant != "" {
		req.Header.Set(tenantHeader, p.tenant)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return transportFailure(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	if err != nil {
		// The status line has come, but the answer is not whole: what a
		// cut connection leaves must not count as an acknowledgement.
		return transportFailure(fmt.Errorf("reading the answer: %w", err))
	}
	a := classify(resp.StatusCode, string(text))
	if a.verdict == again || a.verdict == throttled {
		a.retryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
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

func transportFailure(err error) answer {
	status := "transport"
	if errors.Is(err, context.DeadlineExceeded) {
		status = "timeout"
	}
	return answer{verdict: again, status: status, err: err}
}

// classify says what Loki's answer means. The cases and the words are those of
// Loki 3 (pkg/distributor, pkg/loghttp/push, pkg/validation).
func classify(status int, text string) answer {
	text = strings.TrimSpace(strings.ToValidUTF8(text, "\uFFFD"))
	a := answer{status: statusLabel(status), err: &AnswerError{Status: status, Text: text}}
	switch {
	case status == http.StatusNoContent: // Loki's one acknowledgement of a push
		return answer{verdict: delivered}
	case status < 300:
		// Not Loki: a login page, a proxy's own page. That is no proof.
		a.verdict = hold
	case status < 400:
		a.verdict = hold
	case status == http.StatusUnauthorized, status == http.StatusForbidden,
		status == http.StatusNotFound, status == http.StatusMethodNotAllowed,
		status == http.StatusProxyAuthRequired, status == http.StatusUnsupportedMediaType:
		a.verdict = hold
	case status == http.StatusRequestEntityTooLarge, strings.Contains(text, "larger than max"):
		a.verdict = tooLarge
	case status == http.StatusTooManyRequests:
		a.verdict = throttled
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status >= 500:
		a.verdict = again
	case nothingStored(text):
		a.verdict = hold
	default:
		a.verdict = refused
	}
	return a
}

// nothingStored reports whether a 400 speaks of the request as a whole, not of
// entries in it: then no entry is to blame.
func nothingStored(text string) bool {
	for _, s := range []string{"snappy", "proto:", "couldn't parse push request", "couldn't parse labels", "error parsing labels", "no org id", "tenant ID", "multiple org IDs"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

func statusLabel(status int) string {
	s := strconv.Itoa(status)
	switch status {
	case 400, 401, 403, 404, 413, 429, 500, 502, 503, 504:
		return s
	}
	switch status / 100 {
	case 3, 4, 5:
		return s[:1] + "xx"
	}
	return "unexpected"
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

// AnswerError is an answer of Loki that is not an acknowledgement.
type AnswerError struct {
	Status int
	Text   string // at most 2 KiB
}

func (e *AnswerError) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("loki answered %d %s", e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("loki answered %d: %s", e.Status, e.Text)
}
