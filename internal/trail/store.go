package trail

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/adminsessions/adminsessions/internal/loki"
)

// Trail is the trail in one Loki. What it holds is asked for through a [Store],
// so never without a scope. Its methods may be called from many goroutines at
// once.
type Trail struct {
	config Config
	client *loki.Client

	counts counts
	ends   ends

	mu    sync.Mutex
	pages []string // paths of looks at the trail, without the first slash
}

// Store is the part of a trail that somebody may see. Its methods may be called
// from many goroutines at once.
type Store struct {
	*Trail
	scope Scope
}

// Within returns the part of the trail that is in scope, nothing for the zero
// Scope.
func (t *Trail) Within(scope Scope) *Store { return &Store{t, scope} }

// Config says which [Trail] to read.
type Config struct {
	// Services and Environments are values of the labels service_name and
	// deployment_environment_name. None means all.
	Services, Environments []string
	// Now is the clock.
	Now func() time.Time
}

// New returns the trail in a Loki.
func New(client *loki.Client, c Config) *Trail {
	return &Trail{config: c, client: client,
		counts: counts{busy: make(chan struct{}, 1), days: make(map[dayKey]dayCount)},
		ends:   ends{known: make(map[endKey]bool)}}
}

// maxPaths bounds the paths that AddPage remembers.
const maxPaths = 4

// AddPage says that looks at the trail have URLs with this path, or, if it ends
// with a slash, below it. Before the first is known, they may have any. See
// [Filter].Looks.
func (t *Trail) AddPage(path string) {
	path = strings.TrimPrefix(path, "/")
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.pages) < maxPaths && !slices.Contains(t.pages, path) {
		t.pages = append(t.pages, path)
	}
}

// paths are the paths of AddPage. Those that do not end with a slash have their
// query behind them, if any.
func (t *Trail) paths() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.pages)
}

// Ahead is how far beyond now views with an open end reach: Loki takes entries
// that are up to 10 minutes early, so those of a clock that is ahead are seen.
const Ahead = 15 * time.Minute

// Window is a span of time, From included and To not.
type Window struct{ From, To time.Time }

// Length is how long the window is.
func (w Window) Length() time.Duration { return w.To.Sub(w.From) }

// OutOfTime reports whether err is there because the deadline of ctx has passed:
// what was found until then still holds.
func OutOfTime(ctx context.Context, err error) bool {
	return err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded)
}

// canceled is the error for who gave up waiting.
func canceled(ctx context.Context) error {
	kind := loki.Canceled
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		kind = loki.TooBroad
	}
	return &loki.Error{Kind: kind, Detail: context.Cause(ctx).Error()}
}
