package exporter

import (
	"log/slog"
	"sync"
	"time"

	"github.com/adminsessions/adminsessions/internal/spool"
)

// drops tells of events that the spool has refused. Each is counted; the log has
// a line a minute.
type drops struct {
	metrics *metrics
	log     *slog.Logger
	now     func() time.Time

	mu   sync.Mutex
	told map[spool.Reason]*logLimit
}

// dropped is called by the spool, on the goroutine of whoever recorded the event.
func (d *drops) dropped(reason spool.Reason, _ uint64) {
	d.metrics.dropped.add(string(reason))
	d.mu.Lock()
	if d.told == nil {
		d.told = map[spool.Reason]*logLimit{}
	}
	limit := d.told[reason]
	if limit == nil {
		limit = &logLimit{}
		d.told[reason] = limit
	}
	n, ok := limit.allow(d.now(), time.Minute)
	d.mu.Unlock()
	switch {
	case !ok:
	case reason == spool.ReasonReserved:
		d.log.Warn("anonymous events find no room in the spool: what is left is kept for administrators' events", "reason", reason, "events", n+1)
	default:
		d.log.Error("events are lost: the spool does not take them", "reason", reason, "events", n+1)
	}
}
