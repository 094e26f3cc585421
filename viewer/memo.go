package viewer

import (
	"context"
	"sync"
	"time"
)

// memo remembers the answers to questions that are slow to answer: each for
// five times as long as it took. So a page that is refreshed every two seconds
// by many keeps Loki busy with them a sixth of the time at most.
//
// So are failures: what Loki could not answer in half a minute it is not asked
// again at once.
//
// A question that is being answered is not asked again meanwhile, and goes on
// when who asked goes away, for the next who asks, until its time is over.
type memo[T any] struct {
	now     func() time.Time
	timeout time.Duration

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

func newMemo[T any](now func() time.Time, timeout time.Duration) *memo[T] {
	return &memo[T]{now: now, timeout: timeout, answers: make(map[string]*answer[T])}
}

// get returns the answer to the question key, which ask finds. If that takes
// longer than ctx allows it returns the last answer known, or an error if there
// is none.
func (m *memo[T]) get(ctx context.Context, key string, ask func(context.Context) (T, error)) (T, error) {
	m.mu.Lock()
	a, ok := m.answers[key]
	if !ok {
		m.makeRoom()
		a = &answer[T]{}
		m.answers[key] = a
	}
	if m.now().Before(a.until) {
		defer m.mu.Unlock()
		if a.known {
			return a.value, nil
		}
		return a.value, a.err
	}
	if a.asking == nil {
		a.asking = make(chan struct{})
		go m.ask(context.WithoutCancel(ctx), a, ask)
	}
	asking := a.asking
	m.mu.Unlock()

	var err error
	select {
	case <-asking:
	case <-ctx.Done():
		err = ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err == nil:
		return a.value, a.err
	case a.known:
		return a.value, nil
	default:
		return a.value, err
	}
}

func (m *memo[T]) ask(ctx context.Context, a *answer[T], ask func(context.Context) (T, error)) {
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	start := m.now()
	value, err := ask(ctx)
	end := m.now()

	m.mu.Lock()
	defer m.mu.Unlock()
	a.until, a.err = end.Add(5*end.Sub(start)), err
	if err == nil {
		a.value, a.known = value, true
	}
	close(a.asking)
	a.asking = nil
}

// makeRoom forgets the answer that has been of no use for the longest time.
func (m *memo[T]) makeRoom() {
	if len(m.answers) < maxAnswers {
		return
	}
	oldest, found := "", false
	for key, a := range m.answers {
		if a.asking == nil && (!found || a.until.Before(m.answers[oldest].until)) {
			oldest, found = key, true
		}
	}
	delete(m.answers, oldest)
}
