package loki

import (
	"net/http"
	"sync/atomic"
	"time"
)

// clock is what Loki's clock says, by the Date of its answers.
type clock struct {
	last atomic.Pointer[reading]
}

// reading is Loki's time at a moment of this machine's. Between answers it goes
// on with the monotonic clock, so it does not follow this machine's clock when
// that is set.
type reading struct {
	loki  time.Time
	local time.Time // with its monotonic reading
}

// observe takes the Date of an answer to a request sent at a certain time. The
// header has whole seconds, rounded down, and the answer was made some time
// between sending and now: Loki's time is only known to be within a range. If
// this machine's is within it, that is taken, else the nearer end.
func (c *clock) observe(h http.Header, sent, now time.Time) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	low, high := date.Sub(now.Round(0)), date.Add(time.Second).Sub(sent.Round(0))
	r := &reading{loki: now.Round(0), local: now}
	switch {
	case low > 0:
		r.loki = r.loki.Add(low)
	case high < 0:
		r.loki = r.loki.Add(high)
	}
	c.last.Store(r)
}

// Now is what Loki's clock says, to a second or two, by its last answer; known is
// false before the first answer that had a Date.
func (c *Client) Now() (now time.Time, known bool) {
	r := c.clock.last.Load()
	if r == nil {
		return time.Time{}, false
	}
	return r.loki.Add(c.now().Sub(r.local)), true
}

// Skew is how far Loki's clock is ahead of this machine's, negative if it is
// behind, 0 if they agree to a second or are not known to differ.
func (c *Client) Skew() time.Duration {
	now, known := c.Now()
	if !known {
		return 0
	}
	skew := now.Sub(c.now().Round(0))
	if skew.Abs() < time.Second {
		return 0
	}
	return skew
}
