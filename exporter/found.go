package exporter

import (
	"errors"
	"fmt"
	"time"

	"github.com/adminsessions/adminsessions/internal/spool"
	"github.com/adminsessions/adminsessions/internal/spooled"
)

// foundBytes bounds how much of a backlog is read for WithFound.
const foundBytes = 64 << 20

// tellFound calls f with the events that are in a spool. What is damaged the
// spool's reader reports.
func tellFound(v *spool.View, f func(time.Time, []byte)) error {
	for rec, err := range v.Newest(foundBytes) {
		if _, damaged := errors.AsType[*spool.DamageError](err); damaged {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading what is in it: %w", err)
		}
		if _, line, err := spooled.Split(rec.Payload); err == nil {
			f(time.Unix(0, rec.Origin), line)
		}
	}
	return nil
}
