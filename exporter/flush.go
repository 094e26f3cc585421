package exporter

import "context"

// flushRequest asks the shipper to answer when it has delivered so much.
type flushRequest struct {
	seq      uint64 // everything up to this one
	lastTry  bool   // give up at the first failure
	seal     bool   // make a last checkpoint when all is delivered
	answered chan error
}

// flush returns when everything up to seq is delivered or quarantined, or ctx
// is done, or, with lastTry, when a push fails.
func (s *shipper) flush(ctx context.Context, seq uint64, lastTry, seal bool) error {
	f := &flushRequest{seq: seq, lastTry: lastTry, seal: seal, answered: make(chan error, 1)}
	select {
	case s.flushes <- f:
	case <-s.ended:
		return errEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-f.answered:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
