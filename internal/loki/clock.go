package loki

import (
	"net/http"
	"sync/atomic"
	"time"
)

// clock is how far Loki's clock is ahead of this machine's, by the Date of its
// answers.
type clock struct {
	skew  atomic.Int64 // ns
	known atomic.Bool
}

// observe takes the Date of an answer to a request sent at a certain time. The
// header has whole seconds, rounded down, and the answer was made some time
// between sending and now: the skew is only known to be within a range, of which
// the least is taken. So it is 0 for clocks that agree.
func (c *clock) observe(h http.Header, sent, now time.Time) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	low, high := date.Sub(now), date.Add(time.Second).Sub(sent)
	var skew time.Duration
	switch {
	case low > 0:
		skew = low
	case high < 0:
		skew = high
	}
	c.skew.Store(int64(skew))
	c.known.Store(true)
}

// Skew is how far Loki's clock was ahead of this machine's at the last answer,
// negative if it was behind, 0 if they agree to a second. known is false before
// the first answer with a Date.
func (c *Client) Skew() (skew time.Duration, known bool) {
	return time.Duration(c.clock.skew.Load()), c.clock.known.Load()
}
