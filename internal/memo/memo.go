// Package memo remembers what has been worked out of a few keys that come again
// and again.
package memo

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Map remembers values by their keys. Reading takes no lock: the map that is
// pointed to is never changed. The zero Map is empty and ready.
type Map[K comparable, V any] struct {
	known atomic.Pointer[map[K]V]
	mu    sync.Mutex // serializes writers
}

// Load returns the value of a key, if it is remembered.
func (m *Map[K, V]) Load(key K) (v V, ok bool) {
	if known := m.known.Load(); known != nil {
		v, ok = (*known)[key]
	}
	return v, ok
}

// Store remembers a value, unless there are limit of them: what is beyond has to
// be worked out each time, so that nobody can make the Map grow, nor push out
// what others need.
func (m *Map[K, V]) Store(key K, v V, limit int) {
	if m.isFull(limit) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.isFull(limit) {
		return
	}
	all := map[K]V{key: v}
	if known := m.known.Load(); known != nil {
		maps.Copy(all, *known)
	}
	m.known.Store(&all)
}

func (m *Map[K, V]) isFull(limit int) bool {
	known := m.known.Load()
	return known != nil && len(*known) >= limit
}
