// Package counters holds what the middleware counts. It is apart from the
// middleware because Prometheus' client, which shows the numbers, registers
// /debug/vars with http.DefaultServeMux: a program that does not use Prometheus
// must not get that from an audit trail.
package counters

import (
	"sync"
	"sync/atomic"
)

// Reasons for which a record is lost.
const (
	LostSink     = "sink"     // the Sink answered with an error
	LostPanic    = "panic"    // the Sink, or the provider, panicked
	LostDisabled = "disabled" // no provider takes the records
)

// Reasons for which a detail is missing from a record.
const (
	DetailLate    = "late"     // given after the request had ended
	DetailKey     = "key"      // an attribute's key is empty, too long or not free
	DetailTooMany = "too_many" // more than MaxAttributes
	DetailForm    = "form"     // a form could not be read, or not whole
	DetailPanic   = "panic"    // working it out panicked
)

// Set is what the middlewares that share it have counted.
type Set struct {
	Web, API      atomic.Int64 // requests that ended, by type
	Acts          By           // acts without a request that ended, by type
	Started       atomic.Int64 // requests recorded before they ended
	Refused       atomic.Int64 // requests answered with 503 because of their record
	Panics        atomic.Int64 // requests whose handler did not return
	Cut           atomic.Int64 // fields cut to their limits
	Folded        atomic.Int64 // anonymous requests counted in folded records
	FoldedPending atomic.Int64 // of them those that are in no record yet

	Lost    By // records, by reason
	Details By // details that are missing from their record, by reason

	mu       sync.Mutex
	filtered By // requests left out, by filter; guarded by mu
}

// By counts by the value of a label. All values are there from the start.
type By map[string]*atomic.Int64

// New returns a Set in which everything is 0.
func New() *Set {
	return &Set{
		Acts:     by("CLI", "JOB", "MCP"),
		Lost:     by(LostSink, LostPanic, LostDisabled),
		Details:  by(DetailLate, DetailKey, DetailTooMany, DetailForm, DetailPanic),
		filtered: by(),
	}
}

func by(values ...string) By {
	b := make(By, len(values))
	for _, v := range values {
		b[v] = new(atomic.Int64)
	}
	return b
}

// Filter returns the number of requests that the filters of a name have left
// out.
func (s *Set) Filter(name string) *atomic.Int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.filtered[name]
	if n == nil {
		n = new(atomic.Int64)
		s.filtered[name] = n
	}
	return n
}

// Filtered returns the numbers of all filters.
func (s *Set) Filtered() map[string]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.filtered.Values()
}

// Values returns the numbers by the label's values.
func (b By) Values() map[string]int64 {
	m := make(map[string]int64, len(b))
	for v, n := range b {
		m[v] = n.Load()
	}
	return m
}
