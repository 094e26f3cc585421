package viewer

import (
	"context"
	"sync"
	"time"
)

// cache keeps answers to questions that are slow to answer, each with a TTL of
// five times as long as it took. So a page that is refreshed every two seconds
// by many keeps Loki busy with them a sixth of the time at most.
//
// Failures are kept in the same way: what Loki could not answer in half a minute
// it is not asked again at once.
//
// It is a singleflight, too: a question that is being answered is not asked
// again meanwhile, and goes on when who asked goes away, for the next who asks,
// until its time is over.
type cache[T any] struct {
	now     func() time.Time
	timeout time.Duration
	least   time.Duration // an answer is good for at least as long

	mu      sync.Mutex
	answers map[string]*answer[T]
}

type answer[T any] struct {
	value T
	known bool
	until time.Time
	// asking is closed, and nil again, when the question that is being asked
	// has been answered, with err.
	asking chan struct{}
	err    error
}

// maxAnswers bounds what is remembered; then what is oldest is forgotten.
const maxAnswers = 256

func newCache[T any](now func() time.Time, timeout time.Duration) *cache[T] {
	return &cache[T]{now: now, timeout: timeout, answers: make(map[string]*answer[T])}
}

// get returns the answer to the question key, which ask finds, within the scope of
// the request whose context ctx is. If that takes longer than ctx allows it
// returns the last answer known, or an error if there is none.
func (c *cache[T]) get(ctx context.Context, key string, ask func(context.Context) (T, error)) (T, error) {
	key = scoped(ctx, key)
	c.mu.Lock()
	a, ok := c.answers[key]
	if !ok {
		c.makeRoom()
		a = &answer[T]{}
		c.answers[key] = a
	}
	if c.now().Before(a.until) {
		defer c.mu.Unlock()
		if a.known {
			return a.value, nil
		}
		return a.value, a.err
	}
	if a.asking == nil {
		a.asking = make(chan struct{})
		go c.ask(context.WithoutCancel(ctx), a, ask)
	}
	asking := a.asking
	c.mu.Unlock()

	var err error
	select {
	case <-asking:
	case <-ctx.Done():
		err = ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		return a.value, a.err
	case a.known:
		return a.value, nil
	default:
		return a.value, err
	}
}

func (c *cache[T]) ask(ctx context.Context, a *answer[T], ask func(context.Context) (T, error)) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	start := c.now()
	value, err := ask(ctx)
	end := c.now()

	c.mu.Lock()
	defer c.mu.Unlock()
	a.until, a.err = end.Add(max(5*end.Sub(start), c.least)), err
	if err == nil {
		a.value, a.known = value, true
	}
	close(a.asking)
	a.asking = nil
}

// makeRoom forgets the answer that has been of no use for the longest time.
func (c *cache[T]) makeRoom() {
	if len(c.answers) < maxAnswers {
		return
	}
	oldest, found := "", false
	for key, a := range c.answers {
		if a.asking == nil && (!found || a.until.Before(c.answers[oldest].until)) {
			oldest, found = key, true
		}
	}
	delete(c.answers, oldest)
}
