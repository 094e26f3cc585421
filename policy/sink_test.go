package policy_test

import (
	"context"

	"go.opentelemetry.io/otel/log/noop"

	"github.com/adminsessions/adminsessions"
)

// sink keeps the events of one goroutine.
type sink struct {
	noop.LoggerProvider
	events []adminsessions.Event
}

func (s *sink) RecordEvent(_ context.Context, e *adminsessions.Event, _ adminsessions.Durability) error {
	kept := *e
	kept.Attributes = append(kept.Attributes[:0:0], e.Attributes...)
	s.events = append(s.events, kept)
	return nil
}
