package trail

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
)

// Event is one entry of the trail.
type Event struct {
	// Event is what the line says. Its Time is the entry's where the line says
	// nothing else.
	adminsessions.Event
	// Nanos is the entry's timestamp, Unix nanoseconds; what the trail is
	// ordered by.
	Nanos int64
	Line  string
	// Labels are the index labels of the entry's stream. They may not be changed.
	Labels map[string]string
	// Unreadable says that the line is no event's: nothing but Nanos, Line and
	// Labels is known.
	Unreadable bool

	hash uint64
}

// newEvent reads an entry.
func newEvent(entry *loki.Entry) Event {
	e := Event{Nanos: entry.Nanos, Line: entry.Line, Labels: entry.Labels, hash: hashOf(entry)}
	var err error
	if e.Event, err = adminsessions.ParseLine(entry.Line); err != nil {
		e.Event, e.Unreadable = adminsessions.Event{}, true
	}
	if e.Time.IsZero() {
		e.Time = entry.Time()
	}
	return e
}

// People is the part of the line that is for people: what a search searches.
func (e *Event) People() string {
	people, _, _ := strings.Cut(e.Line, "\t")
	return people
}

// Cursor is the event's place in the trail.
func (e *Event) Cursor() Cursor { return Cursor{Nanos: e.Nanos, Hash: e.hash} }

// hashOf orders entries of one nanosecond. It must be the same in every process. The
// number in the log is not in it: it stands in addresses, where who may not see that
// number could find it out by trying.
func hashOf(entry *loki.Entry) uint64 {
	h := fnv.New64a()
	write := func(m map[string]string) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			io.WriteString(h, k) //nolint:errcheck // a hash never fails
			h.Write([]byte{0})
			io.WriteString(h, m[k]) //nolint:errcheck // a hash never fails
			h.Write([]byte{0})
		}
		h.Write([]byte{1})
	}
	write(entry.Labels)
	write(entry.Metadata)
	io.WriteString(h, withoutNumber(entry.Line)) //nolint:errcheck // a hash never fails
	return h.Sum64()
}

// withoutNumber is the line without the exporter's part, where it has one.
func withoutNumber(line string) string {
	if i := strings.LastIndexByte(line, '\t'); i >= 0 && strings.HasPrefix(line[i+1:], "seq=") {
		return line[:i]
	}
	return line
}

// Cursor is a place in the trail's order. The zero Cursor is no place.
type Cursor struct {
	Nanos int64
	Hash  uint64
}

// IsZero reports whether c is no place.
func (c Cursor) IsZero() bool { return c == Cursor{} }

// Time is the instant of the place.
func (c Cursor) Time() time.Time { return time.Unix(0, c.Nanos) }

// Compare orders cursors from the oldest to the newest.
func (c Cursor) Compare(d Cursor) int {
	return cmp.Or(cmp.Compare(c.Nanos, d.Nanos), cmp.Compare(c.Hash, d.Hash))
}

// String is the cursor as it stands in a URL: nanoseconds and hash.
func (c Cursor) String() string {
	return strconv.FormatInt(c.Nanos, 10) + "." + strconv.FormatUint(c.Hash, 16)
}

// ParseCursor reads what [Cursor.String] wrote.
func ParseCursor(s string) (Cursor, error) {
	nanos, hash, ok := strings.Cut(s, ".")
	if ok {
		n, err1 := strconv.ParseInt(nanos, 10, 64)
		h, err2 := strconv.ParseUint(hash, 16, 64)
		if c := (Cursor{n, h}); err1 == nil && err2 == nil && n > 0 && !c.IsZero() {
			return c, nil
		}
	}
	return Cursor{}, fmt.Errorf("cursor %.40q: want the cursor of an earlier answer", s)
}
