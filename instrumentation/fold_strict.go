package instrumentation

import (
	"net/netip"
	"sync"
	"time"

	"github.com/adminsessions/adminsessions"
)

// A strict request has a record that is synced before it is handled, which can't
// be folded. So what is rationed is the requests themselves, of those that
// nobody is known to be signed in to when they arrive: they are refused beyond
// the limit. If it turns out that somebody was, the request does not count, and
// for knownFor his address is not held to what all addresses together may have.
const (
	knownFor   = time.Hour
	maxSigners = 4096
)

// signers are the addresses at which somebody has been signed in lately.
type signers struct {
	mu    sync.Mutex
	until map[netip.Addr]time.Time
}

func (s *signers) has(addr netip.Addr, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Before(s.until[addr])
}

func (s *signers) add(addr netip.Addr, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.until == nil {
		s.until = map[netip.Addr]time.Time{}
	}
	if _, ok := s.until[addr]; !ok && len(s.until) >= maxSigners {
		for a, until := range s.until {
			if !now.Before(until) {
				delete(s.until, a)
			}
		}
		if len(s.until) >= maxSigners {
			return
		}
	}
	s.until[addr] = now.Add(knownFor)
}

// admit reports whether a strict request that nobody is known to be signed in to
// may be recorded and handled.
func (f *fold) admit(e *adminsessions.Event) bool {
	known := f.signers.has(networkOf(e.ClientAddress), e.Time)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return true // the provider refuses it
	}
	f.begin()
	client := f.client(e)
	if f.left[strictLane] <= 0 && !known || client != nil && client.recorded[strictLane] >= f.limit {
		return false
	}
	f.left[strictLane]--
	if client != nil {
		client.recorded[strictLane]++
	}
	return true
}

// identify notes that somebody is signed in at an address. admitted says that
// his request has been rationed all the same: it is given back.
func (f *fold) identify(e *adminsessions.Event, admitted bool) {
	addr := networkOf(e.ClientAddress)
	f.signers.add(addr, e.Time)
	if !admitted {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	client := f.clients[addr]
	if client == nil || client.recorded[strictLane] == 0 {
		return // it was rationed in an earlier window
	}
	client.recorded[strictLane]--
	f.left[strictLane]++
}
