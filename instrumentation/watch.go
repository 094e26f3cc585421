package instrumentation

import (
	"sync"
	"time"
)

// watch finds the requests that still run after a while. All wait equally
// long, so those of one shard form a queue in the order of their arrival, and
// one timer, armed only while somebody waits, serves it: much cheaper than a
// timer for each request. There is no goroutine to stop: a timer that has
// nothing to wait for is not armed again.
type watch struct {
	after  time.Duration
	shards [watchShards]watchShard
}

// watchShards is how many requests can begin or end at the same moment without
// waiting for each other.
const watchShards = 8

type watchShard struct {
	mu         sync.Mutex
	head, tail *scope
	timer      *time.Timer // nil until first needed
	armed      bool
	after      time.Duration
	_          [64]byte // keeps shards out of each other's cache lines
}

// watched is a request's place in the queue.
type watched struct {
	shard      *watchShard
	next, prev *scope
	since      time.Time
	queued     bool
}

func newWatch(after time.Duration) *watch {
	w := &watch{after: after}
	for i := range w.shards {
		w.shards[i].after = after
	}
	return w
}

func (w *watch) add(s *scope, now time.Time) {
	sh := &w.shards[uint(now.Nanosecond()>>7)%watchShards]
	s.watched.shard, s.watched.since = sh, now
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s.watched.queued = true
	s.watched.prev = sh.tail
	if sh.tail == nil {
		sh.head = s
	} else {
		sh.tail.watched.next = s
	}
	sh.tail = s
	if !sh.armed {
		sh.arm(sh.after)
	}
}

func (w *watch) remove(s *scope) {
	sh := s.watched.shard
	if sh == nil {
		return
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.unlink(s)
}

// unlink must be called with mu held.
func (sh *watchShard) unlink(s *scope) {
	p := &s.watched
	if !p.queued {
		return
	}
	if p.prev == nil {
		sh.head = p.next
	} else {
		p.prev.watched.next = p.next
	}
	if p.next == nil {
		sh.tail = p.prev
	} else {
		p.next.watched.prev = p.prev
	}
	p.next, p.prev, p.queued = nil, nil, false
}

// arm must be called with mu held.
func (sh *watchShard) arm(after time.Duration) {
	sh.armed = true
	if sh.timer == nil {
		sh.timer = time.AfterFunc(after, sh.fire)
		return
	}
	sh.timer.Reset(after)
}

func (sh *watchShard) fire() {
	var due []*scope
	sh.mu.Lock()
	now := time.Now()
	for sh.head != nil && now.Sub(sh.head.watched.since) >= sh.after {
		due = append(due, sh.head)
		sh.unlink(sh.head)
	}
	if sh.armed = sh.head != nil; sh.armed {
		sh.arm(sh.after - now.Sub(sh.head.watched.since))
	}
	sh.mu.Unlock()
	for _, s := range due {
		s.recordStarted(false)
	}
}
