package loglimit

import (
	"testing"
	"time"
)

func TestLimit(t *testing.T) {
	var l Limit
	start := time.Unix(1_000_000, 0)
	for _, step := range []struct {
		at   time.Duration
		kept int
		ok   bool
	}{
		{0, 0, true},
		{time.Second, 0, false},
		{59 * time.Second, 0, false},
		{time.Minute, 2, true},
		{2 * time.Minute, 0, true},
	} {
		if kept, ok := l.Allow(start.Add(step.at), time.Minute); kept != step.kept || ok != step.ok {
			t.Errorf("after %v: %d, %t; want %d, %t", step.at, kept, ok, step.kept, step.ok)
		}
	}
}
