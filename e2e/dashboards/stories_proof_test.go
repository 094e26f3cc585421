package dashboards_test

import (
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
)

// ownStories are of what the trail tells of itself.
func ownStories(all map[string]story, at func(time.Duration) time.Time) {
	const minute = time.Minute
	var quiet map[string]float64
	own := func(service string, after time.Duration, action string, outcome adminsessions.Outcome, attrs ...attribute.KeyValue) event {
		e := admin(service, at(after), nobody, "10.2.3.4", "", "", 0)
		e.Type, e.Action, e.Outcome, e.URL, e.Attributes = adminsessions.Trail, "trail."+action, outcome, "", attrs
		e.log, e.Sequence = "1090aa", uint64(at(after).UnixNano()) // no gap of anybody's
		return e
	}
	spool := func(is string) attribute.KeyValue { return attribute.String("spool", is) }
	panel := func(name string) string { return "service_instance_id=" + name + "-1" }

	const failed = "AdminSessionsVerificationFailed"
	forged := admin(failed, at(20*minute), anna, "10.2.3.4", "POST", "/admin/x", 200) // says so in words only
	forged.Action, forged.Note = "trail.verified", "action=trail.verified outcome=failure"
	all[failed] = story{words: []string{failed, "1"},
		events: []event{own(failed, 0, "verified", adminsessions.OutcomeSuccess), own(failed, 60*minute, "verified", adminsessions.OutcomeFailure), own(failed, 120*minute, "verified", adminsessions.OutcomeError), forged},
		says:   []saying{{30 * minute, quiet}, {61 * minute, map[string]float64{panel(failed): 1}}, {179 * minute, map[string]float64{panel(failed): 1}}, {181 * minute, quiet}},
	}

	const stopped = "AdminSessionsVerificationStopped"
	all[stopped] = story{words: []string{stopped, "2"},
		events: []event{own(stopped, -60*minute, "verified", adminsessions.OutcomeSuccess), own(stopped, 0, "verified", adminsessions.OutcomeFailure), own(stopped, 20*time.Hour, "verified", adminsessions.OutcomeError), own(stopped, 30*time.Hour, "verified", adminsessions.OutcomeSuccess)},
		says:   []saying{{23 * time.Hour, quiet}, {25 * time.Hour, map[string]float64{"": 2}}, {31 * time.Hour, quiet}},
	}

	const lost = "AdminSessionsSpoolLost"
	all[lost] = story{words: []string{lost, "1"},
		events: []event{own(lost, -10*minute, "started", adminsessions.OutcomeSuccess, spool("closed")), own(lost, 0, "spool_lost", adminsessions.OutcomeFailure)},
		says:   []saying{{-minute, quiet}, {minute, map[string]float64{panel(lost): 1}}, {31 * minute, quiet}},
	}

	const orphan = "AdminSessionsLogWithoutPredecessor"
	known := own(orphan, 2*time.Hour, "started", adminsessions.OutcomeSuccess, spool("new"))
	first := own(orphan, minute, "started", adminsessions.OutcomeSuccess, spool("new"))
	first.instance = orphan + "-2" // the first of its name
	all[orphan] = story{words: []string{orphan, "1"},
		events: []event{
			own(orphan, -24*time.Hour, "started", adminsessions.OutcomeSuccess, spool("new")), own(orphan, -time.Hour, "started", adminsessions.OutcomeSuccess, spool("closed")),
			own(orphan, 0, "started", adminsessions.OutcomeSuccess, spool("new")), first,
			own(orphan, 2*time.Hour+1, "spool_lost", adminsessions.OutcomeFailure), known, // that one knows
		},
		says: []saying{{-30 * minute, quiet}, {2 * minute, map[string]float64{panel(orphan): 1}}, {31 * minute, quiet}, {2*time.Hour + minute, quiet}},
	}
}
