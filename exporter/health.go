package exporter

import (
	"fmt"
	"time"
)

// Ready returns nil while events can be recorded, whether or not Loki is there
// to take them, and else why not: the spool is full, or its disk fails. It is
// what a panel that must not work unrecorded asks before it takes traffic.
func (x *Exporter) Ready() error {
	if err := x.spool.Health(); err != nil {
		return fmt.Errorf("the spool in %s: %w", x.cfg.spoolDir, err)
	}
	return nil
}

// Health returns nil while events are recorded and delivered, and else why not.
// A readiness endpoint that must not fail with Loki asks [Exporter.Ready].
func (x *Exporter) Health() error {
	if err := x.Ready(); err != nil {
		return err
	}
	if f := x.shipper.failure.Load(); f != nil {
		return fmt.Errorf("loki has not taken events since %s: %w", f.since.UTC().Format(time.RFC3339), f.err)
	}
	return nil
}

// failure is why Loki does not take events, and since when.
type failure struct {
	err   error
	since time.Time
}
