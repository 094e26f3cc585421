package proxy

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/spool"
)

// An event that is handed in again is recognised by what it says: two events with
// the same time and the same line are one. So an event needs no mark to be known by,
// it is in the spool or not, and whoever was killed in the middle of a request finds
// out from the spool how far he had come.
//
// That holds for events that tell their own time, and with it a request or a part of
// a second. Without these, two that look alike may well be two; then the time is
// when the request came, and the request one that was made up, so that they differ.
// A request that has failed is remembered for the time and the made-up requests it
// was given, so that what is stored of it is recognised when it comes again.

const (
	maxStored = 1 << 17 // events
	maxFailed = 1024    // requests
	stripes   = 64
)

// eventKey is what an event is recognised by.
type eventKey [16]byte

func keyOf(t time.Time, line []byte) (k eventKey) {
	h := sha256.New()
	var nanos [8]byte
	binary.BigEndian.PutUint64(nanos[:], uint64(t.UnixNano()))
	h.Write(nanos[:])
	h.Write(line)
	copy(k[:], h.Sum(nil))
	return k
}

// repeats tells apart events that are the same within one request: these were
// meant to be several.
type repeats map[eventKey]uint32

func (r repeats) next(k eventKey) eventKey {
	n := r[k]
	r[k]++
	first := binary.BigEndian.Uint32(k[:])
	binary.BigEndian.PutUint32(k[:], first+n)
	return k
}

// stored knows which events are stored, of the newest that were handed in.
type stored struct {
	keys *lru.Cache[eventKey, struct{}]
	// busy are held while an event is stored, so that the same one does not
	// count as stored before it is. The key says which of them.
	busy [stripes]sync.Mutex
}

func newStored() *stored {
	keys, _ := lru.New[eventKey, struct{}](maxStored) // fails only for no size
	return &stored{keys: keys}
}

// found returns what is to be called with each event that is in the spool, oldest
// first.
func (s *stored) found() func(time.Time, []byte) {
	var k repeats = map[eventKey]uint32{}
	mark := " attr." + ingestKey + "="
	return func(t time.Time, line []byte) {
		if strings.Contains(string(line), mark) {
			s.keys.Add(k.next(keyOf(t, line)), struct{}{})
		}
	}
}

// once calls store unless the event is stored, and remembers that it is. After an
// error that leaves open whether it is, it counts as not stored: lost would be worse
// than twice.
func (s *stored) once(k eventKey, store func() error) (again bool, err error) {
	busy := &s.busy[k[len(k)-1]%stripes]
	busy.Lock()
	defer busy.Unlock()
	if s.keys.Contains(k) {
		return true, nil
	}
	if err = store(); isStored(err) {
		s.keys.Add(k, struct{}{})
	}
	return false, err
}

// isStored reports whether an event is in the spool, by what storing it has given.
func isStored(err error) bool {
	unsynced, ok := errors.AsType[*spool.NotDurableError](err)
	return err == nil || ok && unsynced.Rec.Seq != 0
}

// receipt is what a request's events are given where they say nothing themselves.
type receipt struct {
	at   time.Time
	seed [16]byte
}

func newReceipt(now time.Time) receipt {
	r := receipt{at: now}
	_, _ = rand.Read(r.seed[:]) // never fails
	return r
}

// complete gives an event a time and a request, if it has none. An event that is
// precise about its time gets a request that follows from what it says; i is its
// place in what was handed in.
func (r *receipt) complete(e *adminsessions.Event, i int) {
	precise := !e.Time.IsZero() && e.Time.Nanosecond() != 0
	if e.Time.IsZero() {
		e.Time = r.at
	}
	if e.RequestID != "" {
		return
	}
	var sum [sha256.Size]byte
	if precise {
		k := keyOf(e.Time, e.AppendLine(nil))
		sum = sha256.Sum256(k[:])
	} else {
		sum = sha256.Sum256(binary.BigEndian.AppendUint64(r.seed[:], uint64(i)))
	}
	e.RequestID = strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:20])
}
