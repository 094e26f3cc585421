package viewer

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// slowly answers with the number of times it was asked, after some time.
func slowly(asked *atomic.Int64, takes time.Duration) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		n := int(asked.Add(1))
		select {
		case <-time.After(takes):
			return n, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newCache[int](time.Now, time.Minute)
		var asked atomic.Int64
		ask := slowly(&asked, time.Second)
		get := func(wait time.Duration) (int, error) {
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			defer cancel()
			return m.get(ctx, "key", ask)
		}
		// Who does not wait long enough gets nothing, but the question goes on.
		if _, err := get(200 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nothing is known yet: %v", err)
		}
		if n, err := get(time.Minute); n != 1 || err != nil || asked.Load() != 1 {
			t.Errorf("%d, %v, asked %d times; want the answer to the first question", n, err, asked.Load())
		}
		// The answer took a second: it holds for five.
		time.Sleep(4900 * time.Millisecond)
		if n, err := get(0); n != 1 || err != nil {
			t.Errorf("%d, %v; want what is known", n, err)
		}
		time.Sleep(200 * time.Millisecond)
		if n, err := get(time.Millisecond); n != 1 || err != nil || asked.Load() != 2 {
			t.Errorf("%d, %v, asked %d times; want the old answer while a new one is found", n, err, asked.Load())
		}
		if n, err := get(time.Minute); n != 2 || err != nil || asked.Load() != 2 {
			t.Errorf("%d, %v, asked %d times; want the new answer", n, err, asked.Load())
		}
		// A failure is remembered like an answer.
		failure := errors.New("failed")
		failed := 0
		for range 3 {
			_, err := m.get(t.Context(), "failing", func(context.Context) (int, error) {
				failed++
				time.Sleep(time.Second)
				return 0, failure
			})
			if !errors.Is(err, failure) || failed != 1 {
				t.Errorf("%v after %d questions, want the failure of the first", err, failed)
			}
		}
		time.Sleep(5 * time.Second)
		if n, err := m.get(t.Context(), "failing", ask); n != 3 || err != nil {
			t.Errorf("%d, %v; want it asked again", n, err)
		}
		// A question ends when its time is over, even if nobody waits for it.
		endless := slowly(new(atomic.Int64), time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := m.get(ctx, "other", endless); !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want that who asked has gone", err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
	})
}

func TestCacheIsBounded(t *testing.T) {
	m := newCache[int](time.Now, time.Minute)
	for i := range 3 * maxAnswers {
		_, err := m.get(t.Context(), strconv.Itoa(i), func(context.Context) (int, error) { return i, nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(m.answers) > maxAnswers {
		t.Errorf("%d answers are remembered, want at most %d", len(m.answers), maxAnswers)
	}
}
