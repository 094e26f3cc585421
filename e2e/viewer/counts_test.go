package viewer

import (
	"net/http"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// TestCountsAreExact counts what is in memory, what has been written to the
// store, and a push that was sent twice: a count that is shown as exact is.
func TestCountsAreExact(t *testing.T) {
	loki := lokitest.Start(t)
	p := newPanel(t, loki)
	end := time.Now().Add(-time.Minute)
	var all []adminsessions.Event
	for day := range 3 {
		all = append(all, traffic(uint64(day), end.Add(time.Duration(day-2)*24*time.Hour), 24*time.Hour, 900)...)
	}
	for i := range all {
		all[i].Sequence = uint64(i + 1)
	}
	push(t, loki, stream("one", all...))
	step := 0
	check := func(when string, doubled bool) {
		t.Helper()
		step++
		for _, q := range []string{"", "clients", "nothing has this"} {
			want := len(p.events(t, query("range", "7d", "size", "200", "q", q)))
			// A window of its own, so that no count of before is shown.
			from := end.Add(-4*24*time.Hour - time.Duration(step)*time.Second).UTC().Format(time.RFC3339)
			count, status, err := p.api(t.Context(), "count", query("q", q, "from", from))
			exact := count.Count == want && !count.AtMost
			told := doubled && count.Count >= want && (count.AtMost || q != "") // of a part it can't be known
			if err != nil || status != http.StatusOK || count.AtLeast || !exact && !told {
				t.Errorf("%s: %q: count %+v, want %d", when, q, count, want)
			}
		}
	}
	check("in memory", false)
	if err := loki.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("in memory and store", false)
	push(t, loki, stream("one", all[len(all)-300:]...)) // the answer to it was lost
	check("sent again", true)
	loki.Restart()
	check("after a restart", true)
}
