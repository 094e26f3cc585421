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
)

// Event is one entry of the trail as Loki holds it.
type Event struct {
	// Nanos is the entry's timestamp, Unix nanoseconds; what the trail is
	// ordered by.
	Nanos int64
	Line  string
	// Labels are the index labels of the entry's stream, Metadata its
	// structured metadata, both by their names in Loki. Neither may be changed.
	Labels   map[string]string
	Metadata map[string]string

	hash uint64
}

// Get returns the value of an attribute by its key (not by its name in Loki),
// from the metadata or the labels; "" if the event has none.
func (e *Event) Get(key string) string {
	name := adminsessions.LokiName(key)
	if v, ok := e.Metadata[name]; ok {
		return v
	}
	return e.Labels[name]
}

// Time is when the request arrived. That is the entry's timestamp, unless the
// exporter had to move it to keep the stream in order and said so.
func (e *Event) Time() time.Time {
	if s := e.Get(adminsessions.KeyRequestTime); s != "" {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return time.Unix(0, n)
		}
	}
	return time.Unix(0, e.Nanos)
}

// Status is the answer's status code, 0 where none is recorded.
func (e *Event) Status() int {
	n, err := strconv.Atoi(e.Get(adminsessions.KeyStatusCode))
	if err != nil {
		return 0
	}
	return n
}

// Duration is how long the request took; ok is false where none is recorded.
func (e *Event) Duration() (d time.Duration, ok bool) {
	s, err := strconv.ParseFloat(e.Get(adminsessions.KeyDuration), 64)
	if err != nil || s < 0 || s > 1e9 {
		return 0, false
	}
	return time.Duration(s * float64(time.Second)), true
}

// Cursor is the event's place in the trail.
func (e *Event) Cursor() Cursor { return Cursor{Nanos: e.Nanos, Hash: e.hash} }

// seal computes the hash that orders events of one nanosecond.
func (e *Event) seal() {
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
	write(e.Labels)
	write(e.Metadata)
	io.WriteString(h, e.Line) //nolint:errcheck // a hash never fails
	e.hash = h.Sum64()
}

// Cursor is a place in the trail's order. The zero Cursor is no place.
type Cursor struct {
	Nanos int64
	Hash  uint64
}

// IsZero reports whether c is no place.
func (c Cursor) IsZero() bool { return c == Cursor{} }

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
