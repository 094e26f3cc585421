package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// symptom is what somebody notices, and the alerts that say so. Each alert has a
// chapter to read on in.
type symptom struct {
	title string
	what  string
	of    []chapter
}

type chapter struct {
	title, link string // link is relative to the runbooks
	alerts      []string
}

func symptoms() []symptom {
	const docs = "../../docs/"
	return []symptom{
		{"Events are lost, or something in the trail is not true", "Act now: each minute can cost events, or somebody is at work.", []chapter{
			{"Full disk, full spool", docs + "operations.md#full-disk-full-spool", []string{"AdminSessionsDropping"}},
			{"What can still be lost", docs + "delivery.md#what-can-still-be-lost-and-where-it-shows", []string{"AdminSessionsNotRecording", "AdminSessionsSyncFailing"}},
			{"Damaged spool", docs + "operations.md#damaged-spool", []string{"AdminSessionsSpoolDamaged"}},
			{"What a report says", docs + "proof.md#what-a-report-says", []string{"AdminSessionsVerificationFailed"}},
			{"Complete?", docs + "delivery.md#complete", []string{"AdminSessionsTrailGap", "AdminSessionsTrailLossHidden"}},
			{"A spool that moves", docs + "operations.md#a-spool-that-moves", []string{"AdminSessionsSpoolLost", "AdminSessionsLogWithoutPredecessor"}},
		}},
		{"Events wait, and nobody sees what happens now", "Nothing is lost yet. There are hours, as long as the spool has room.", []chapter{
			{"Loki refuses, or is away", docs + "operations.md#loki-refuses-or-is-away", []string{"AdminSessionsLokiUnreachable", "AdminSessionsBacklogOld", "AdminSessionsNothingDelivered"}},
			{"Full disk, full spool", docs + "operations.md#full-disk-full-spool", []string{"AdminSessionsSpoolNearlyFull", "AdminSessionsDiskNearlyFull"}},
			{"Events in quarantine", docs + "operations.md#events-in-quarantine", []string{"AdminSessionsQuarantining"}},
			{"Clocks", docs + "operations.md#clocks", []string{"AdminSessionsClockSkew"}},
			{"What is healthy, and what is ready", docs + "operations.md#what-is-healthy-and-what-is-ready", []string{"AdminSessionsTrailSilent", "AdminSessionsMetricsAbsent"}},
		}},
		{"The trail can't be proved for now, or is not watched", "Recording goes on. Until it works again, some of it is taken on trust.", []chapter{
			{"Anchors", docs + "proof.md#anchors", []string{"AdminSessionsNotAnchored"}},
			{"Keys", docs + "proof.md#keys", []string{"AdminSessionsCheckpointsFailing"}},
			{"Set it up", docs + "proof.md#set-it-up", []string{"AdminSessionsVerificationLate", "AdminSessionsVerificationStopped"}},
			{"Twice?", docs + "delivery.md#twice", []string{"AdminSessionsTrailCountedTwice"}},
			{"Alerts", docs + "dashboards.md#alerts", []string{"AdminSessionsRulesFailing"}},
		}},
		{"Somebody tries to get in", "Look who got in; then at what they did.", []chapter{
			{"Names tried", docs + "instrumentation.md#names-tried", []string{"AdminSessionsSignInAfterFailures", "AdminSessionsSignInDuringFlood", "AdminSessionsSignInFailuresForAdmin", "AdminSessionsSignInFailuresFromAddress", "AdminSessionsSignInNames", "AdminSessionsSignInFlood"}},
			{"A flood", docs + "instrumentation.md#a-flood", []string{"AdminSessionsFolding"}},
		}},
		{"An administrator does what is unusual", "Ask the administrator, by another way than the panel.", []chapter{
			{"Words that alert rules know", docs + "acts.md#words-that-alert-rules-know", []string{"AdminSessionsMassDeletion", "AdminSessionsRolesChanged", "AdminSessionsCredentialsChanged", "AdminSessionsMFAChanged"}},
			{"A reason", docs + "acts.md#a-reason", []string{"AdminSessionsBreakGlass"}},
			{"Where from", docs + "acts.md#where-from", []string{"AdminSessionsNewAddress", "AdminSessionsNewCountry", "AdminSessionsNewNetwork"}},
			{"Alerts", docs + "dashboards.md#alerts", []string{"AdminSessionsRequestRateHigh", "AdminSessionsOutsideWorkingHours"}},
			{"How it ended", docs + "instrumentation.md#how-it-ended", []string{"AdminSessionsServerErrors"}},
		}},
	}
}

var (
	template   = regexp.MustCompile(`\{\{ with .*?\{\{ end \}\}|\{\{.*?\}\}`)
	several    = regexp.MustCompile(`…(?: of …)+`)
	severities = []string{"critical", "warning", "info"}
)

// runbookIndex lists every alert once, by symptom, the gravest first.
func runbookIndex(alerts []alert) ([]byte, error) {
	byName := map[string]*alert{}
	for i := range alerts {
		byName[alerts[i].name] = &alerts[i]
	}
	type row struct {
		rank int
		text string
	}
	var b strings.Builder
	b.WriteString("# Runbooks\n\n<!-- " + generated + " -->\n\n" +
		"By what you notice; in each table the gravest first. Each runbook says what the alert means, what to do, and when\n" +
		"it is nothing. Planned work is in [maintenance](../../docs/maintenance.md).\n")
	for _, s := range symptoms() {
		var rows []row
		for _, c := range s.of {
			for _, name := range c.alerts {
				a := byName[name]
				if a == nil {
					return nil, fmt.Errorf("the runbooks' index: there is no alert %s, or it is listed twice", name)
				}
				delete(byName, name)
				says := several.ReplaceAllString(strings.ReplaceAll(template.ReplaceAllString(a.summary, "…"), value, "…"), "…")
				rows = append(rows, row{slices.Index(severities, a.severity), fmt.Sprintf("| %s | [%s](%s.md) | %s | [%s](%s) |\n", a.severity, a.name, a.name, says, c.title, c.link)})
			}
		}
		slices.SortStableFunc(rows, func(a, b row) int { return a.rank - b.rank })
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| severity | alert | it says | read on |\n| --- | --- | --- | --- |\n", s.title, s.what)
		for _, r := range rows {
			b.WriteString(r.text)
		}
	}
	for name := range byName {
		return nil, fmt.Errorf("the runbooks' index: the alert %s is under no symptom", name)
	}
	return []byte(b.String()), nil
}
