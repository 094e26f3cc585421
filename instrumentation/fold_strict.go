package instrumentation

import (
	"time"

	"github.com/adminsessions/adminsessions"
)

// A strict request has a record that is synced before it is handled, which can't
// be folded. So what is rationed is the requests themselves, of those that
// nobody is known to be signed in to when they arrive: they are refused beyond
// the limit. If it turns out that somebody was, the request does not count, and
// for knownFor his address is not held to what all addresses together may have.
const (
	knownFor        = time.Hour
	maxFoldAdmitted = 4096 // addresses of people who are signed in
)

// admit reports whether a strict request that nobody is known to be signed in to
// may be recorded and handled.
func (f *fold) admit(e *adminsessions.Event) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return true // the provider refuses it
	}
	f.begin()
	addr := networkOf(e.ClientAddress)
	client, told := f.clients[addr]
	told = told || len(f.clients) < maxFoldClients
	until, known := f.known[addr]
	known = known && e.Time.Before(until)
	if client.recorded[strictLane] >= f.limit || f.left[strictLane] <= 0 && !known {
		return false
	}
	f.left[strictLane]--
	client.recorded[strictLane]++
	if told || known {
		f.clients[addr] = client
	}
	return true
}

// identify notes that somebody is signed in at an address. admitted says that
// his request has been rationed all the same.
func (f *fold) identify(e *adminsessions.Event, admitted bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	addr := networkOf(e.ClientAddress)
	if _, ok := f.known[addr]; !ok && len(f.known) >= maxFoldAdmitted {
		f.forget(e.Time)
	}
	if _, ok := f.known[addr]; ok || len(f.known) < maxFoldAdmitted {
		f.known[addr] = e.Time.Add(knownFor)
	}
	client, told := f.clients[addr]
	if !admitted || !told || client.recorded[strictLane] == 0 { // of an earlier window
		return
	}
	client.recorded[strictLane]--
	f.clients[addr] = client
	f.left[strictLane]++
}

// forget drops the addresses of those who were signed in too long ago.
func (f *fold) forget(now time.Time) {
	for addr, until := range f.known {
		if !now.Before(until) {
			delete(f.known, addr)
		}
	}
}
