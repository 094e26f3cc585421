// Package eventually waits in tests for what takes its time.
package eventually

import (
	"context"
	"testing"
	"time"
)

// NoError asks again and again until there is no error, and fails the test if that
// takes longer than within.
func NoError(t testing.TB, within time.Duration, what string, ask func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waited %s until %s: %v", within, what, err)
		case <-tick.C:
		}
	}
}
