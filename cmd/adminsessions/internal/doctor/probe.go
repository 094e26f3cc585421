package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/adminsessions/adminsessions/internal/loki"
)

// probeLabels are those of the entries that a probe pushes. Loki is to refuse
// them; where it does not, they stand there, apart from every trail.
const probeLabels = `{service_name="adminsessions-doctor"}`

// probe learns limits from how Loki refuses an entry of ten years ago.
func (e *examination) probe(ctx context.Context) {
	const of = "probe: limits_config.reject_old_samples_max_age"
	now := e.Now()
	var s loki.Stream
	s.Reset([]byte(probeLabels))
	s.Add(now.Add(-10*year).UnixNano(), []byte("adminsessions doctor asks how old an entry may be"), nil)
	a := e.Client.Push(ctx, s.Message(0, 1))
	switch {
	case a.Err == nil:
		e.well(of, "entries of any age are taken, also this probe's: %s", probeLabels)
	case !a.Faults.Oldest.IsZero():
		age := now.Sub(a.Faults.Oldest).Round(time.Minute)
		f := Finding{Of: of, Effect: None, Found: "entries may be " + age.String() + " old"}
		if age < 30*24*time.Hour-time.Hour {
			f.Effect, f.Do = Hides, "set it to the retention"
			f.Why = "events of a panel that was cut off for longer get another time in Loki: a range does not find them where they belong"
		}
		e.add(f)
	default:
		e.add(Finding{Of: of, Effect: Unknown, Found: fmt.Sprint(a.Err)})
	}
}
