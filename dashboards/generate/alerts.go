package main

import (
	"slices"
	"strings"
)

// alert is a rule in the form that Grafana, Loki's ruler and Prometheus share.
type alert struct {
	name     string
	about    []string // comment lines
	expr     string
	severity string

	// summary and description are templates; value stands for the number. A
	// summary holds nothing that a stranger, or an administrator, can choose.
	summary, description string

	// dashboard and panel show what the alert speaks of; vars, if any, narrow it.
	dashboard string
	panel     int
	vars      string

	off   bool   // until somebody sets it up
	slow  bool   // evaluated every quarter of an hour
	lasts string // how long it must hold (for)
	keeps string // how long it goes on (keep_firing_for)
	uid   string // in Grafana
}

// value is where a template has the rule's number.
const value = "VALUE"

// strange is what a stranger's text may not hold where people are told of it:
// anything but letters, digits and what names and addresses are made of.
const strange = `[^\pL\pN .@_+-]|(^|[ .])@`

// said is a label that a stranger can choose, for a description: nothing
// strange, cut and in quotes. It can neither address a channel nor be a link.
func said(label string) string {
	return "{{ with $labels." + label + " }}{{ reReplaceAll `" + strange + "` `?` . | printf `%.64q` }}{{ else }}(unknown){{ end }}"
}

// known is a label of the panel's own, or what stands for it where an alert has
// none, as when its query fails.
func known(label string) string {
	return "{{ with $labels." + label + " }}{{ . }}{{ else }}(unknown){{ end }}"
}

// setTo sets a variable of the dashboard to a label.
func setTo(variable, label string) string {
	return "&var-" + variable + "={{ urlquery $labels." + label + " }}"
}

const every = `{service_name=~".+"}`

func within(pipeline, over string) string { return "count_over_time(" + pipeline + " [" + over + "])" }

// attempts are sign-ins with the outcome, with the labels named; a folded record
// counts with its number.
func attempts(outcome, labels, over string) string {
	names := ""
	if strings.HasSuffix(labels, ", name") {
		// The label stands in notifications, too.
		names = " | label_format name=`{{ regexReplaceAll \"" + strings.ReplaceAll(strange, `\`, `\\`) + "\" (lower .tried) \"?\" }}`"
	}
	return "sum by (" + labels + ") (sum_over_time(\n  " + every + holds("signin", outcome) + ours + words("type", "method", "ip") + ofAdmins + ` | method!=""` +
		"\n  | logfmt | signin=\"" + outcome + "\"" + names + "\n " + records + " | keep " + labels + ", n | unwrap n [" + over + "]\n))"
}

// requestsOf are ended requests of people who are signed in.
func requestsOf(names ...string) string {
	return every + ours + words(append([]string{"type", "method", "status", "email"}, names...)...) + ofAdmins + ended + ` | email!="-"`
}

func between(lines ...string) string { return strings.Join(lines, "\n") }

func trailAlerts() []alert {
	byNumber := trail
	seq := `{service_name=~".+", audit_log_id!=""} | pattern "<_>\t<_>\tseq=<seq> <_>" | seq!=""`
	numbers := func(f string) string {
		return f + "_over_time(" + seq + " | unwrap seq [24h]) by (" + byNumber + ")"
	}
	difference := between(numbers("max"), "- "+numbers("min"), "+ 1", "- sum by ("+byNumber+") ("+within(seq, "24h")+")")
	london := "((__timestamp__).In (toDateInZone \"2006\" \"Europe/London\" \"2000\").Location)"
	return slices.Concat(actAlerts(), proofAlerts(), []alert{
		{
			name: "AdminSessionsSignInFailuresFromAddress", uid: "adminsessions-sign-in-failures-address",
			about:    []string{"Somebody guesses from one address, whatever the names tried."},
			expr:     between("topk(20,", attempts("failure", "service_name, ip", "10m"), "> 10)"),
			severity: "warning",
			summary:  "Sign-in failures from " + known("ip"), description: value + " sign-ins from " + known("ip") + " to " + known("service_name") + " failed within 10 minutes.",
			dashboard: uidSessions, panel: 3, vars: setTo("ip", "ip"),
		},
		{
			name: "AdminSessionsSignInFailuresForAdmin", uid: "adminsessions-sign-in-failures-for-admin",
			about: []string{
				"Somebody guesses one administrator's password, perhaps from many addresses. Names in",
				"small letters; the ten most tried. With some thousand names the query fails on Loki's",
				"limit of series: AdminSessionsSignInFlood does not.",
			},
			expr:     between("topk(10,", attempts("failure", "service_name, name", "10m"), "> 5)"),
			severity: "warning",
			summary:  "Sign-in failures for one name at " + known("service_name"), description: value + " sign-ins as " + said("name") + " to " + known("service_name") + " failed within 10 minutes.",
			dashboard: uidActivity, panel: 14,
		},
		{
			name: "AdminSessionsSignInNames", uid: "adminsessions-sign-in-names",
			about:    []string{"Many names, each tried a few times: guessing accounts, or one password for all."},
			expr:     between("count by (service_name) (", attempts("failure", "service_name, name", "10m"), ") > 50"),
			severity: "warning",
			summary:  "Sign-in is tried with many names at " + known("service_name"), description: "Sign-ins to " + known("service_name") + " failed under " + value + " different names within 10 minutes.",
			dashboard: uidActivity, panel: 14,
		},
		{
			name: "AdminSessionsSignInFlood", uid: "adminsessions-sign-in-flood",
			about:    []string{"One series a service, however many names and addresses: nothing that is tried can make", "this query fail."},
			expr:     attempts("failure", "service_name", "10m") + " > 300",
			severity: "critical",
			summary:  "A flood of sign-in failures at " + known("service_name"), description: value + " sign-ins to " + known("service_name") + " failed within 10 minutes. Rules that tell names and addresses apart may fail meanwhile.",
			dashboard: uidActivity, panel: 4,
		},
		{
			name: "AdminSessionsSignInAfterFailures", uid: "adminsessions-sign-in-after-failures",
			about:    []string{"The guessing may have succeeded."},
			expr:     between("topk(10, (", attempts("failure", "service_name, name", "30m"), "> 5) and", attempts("success", "service_name, name", "10m"), ")"),
			severity: "critical",
			summary:  "A sign-in at " + known("service_name") + " succeeded after many failures", description: "Somebody signed in as " + said("name") + " to " + known("service_name") + " after " + value + " failures within 30 minutes.",
			dashboard: uidActivity, panel: 14,
		},
		{
			name: "AdminSessionsSignInDuringFlood", uid: "adminsessions-sign-in-during-flood",
			about:    []string{"The same while so many names are tried that they can't be told apart. It begins with the", "successes, which are few."},
			expr:     between("topk(20,", attempts("success", "service_name, name", "10m"), "and on (service_name)", "("+attempts("failure", "service_name", "30m")+" > 300))"),
			severity: "critical",
			summary:  "A sign-in at " + known("service_name") + " succeeded in a flood of failures", description: "Somebody signed in as " + said("name") + " to " + known("service_name") + " while more than 300 sign-ins failed within 30 minutes.",
			dashboard: uidActivity, panel: 14,
		},
		{
			name: "AdminSessionsServerErrors", uid: "adminsessions-server-errors",
			about: []string{"An admin panel has little traffic: six errors of one act are many."},
			expr: "topk(20, sum by (service_name, action) (" + within(
				every+" |= ` status=5`"+ours+words("type", "method", "status", "action")+ofAdmins+" | status=~\"5..\"", "10m") + ") > 5)",
			severity: "warning",
			summary:  "Server errors at " + known("service_name"), description: value + " requests for " + said("action") + " at " + known("service_name") + " ended with a server error within 10 minutes.",
			dashboard: uidSessions, panel: 3, vars: "&var-status=5",
		},
		{
			name: "AdminSessionsOutsideWorkingHours", uid: "adminsessions-outside-working-hours",
			about: []string{
				"Off until the time zone (\"Europe/London\", twice: any IANA name) and the hours are yours.",
				"Weekday 0 is Sunday. Loki counts in UTC if it does not know the zone.",
			},
			expr: "sum by (service_name, email) (" + within(
				requestsOf()+"\n  | label_format hour=`{{ "+london+".Format \"15\" }}`, weekday=`{{ printf \"%d\" "+london+".Weekday }}`"+
					"\n  | hour < 7 or hour >= 20 or weekday = 0 or weekday = 6", "10m") + ") > 0",
			severity: "info", off: true,
			summary: "Work outside working hours at " + known("service_name"), description: said("email") + " made " + value + " requests to " + known("service_name") + " outside working hours.",
			dashboard: uidSessions, panel: 3, vars: setTo("admin", "email"),
		},
		{
			name: "AdminSessionsTrailGap", uid: "adminsessions-trail-gap", slow: true,
			about: []string{
				"Each spool numbers its events without gaps: last - first + 1 - count is what is missing.",
				"A backlog makes no gap, it is drained in order.",
			},
			expr:     difference + "\n> 0",
			severity: "critical",
			summary:  "The audit trail of " + known("service_name") + " has a gap", description: value + " events of " + known("service_name") + ", instance " + known("service_instance_id") + ", log " + known("audit_log_id") + ", are missing in Loki within the last 24 hours.",
			dashboard: uidPipeline, panel: 16,
		},
		{
			name: "AdminSessionsTrailCountedTwice", uid: "adminsessions-trail-counted-twice", slow: true, lasts: "2h",
			about: []string{
				"Below 0 events were counted twice, and a loss can hide behind it: a batch that was sent",
				"again, until Loki has flushed it, or two spools that number under one log.",
			},
			expr:     difference + "\n< 0",
			severity: "warning",
			summary:  "Events of " + known("service_name") + " are counted twice", description: "Log " + known("audit_log_id") + " of " + known("service_name") + ", instance " + known("service_instance_id") + ": what Loki counts of the last 24 hours and the numbers differ by " + value + ".",
			dashboard: uidPipeline, panel: 16,
		},
		{
			name: "AdminSessionsTrailLossHidden", uid: "adminsessions-trail-loss-hidden", slow: true,
			about: []string{
				"As many numbers are missing as are counted twice: the count is right, the sum of the",
				"numbers is not.",
			},
			expr:     between("(", eachOnce(seq, "24h"), ") > 0", "and on ("+byNumber+") ("+difference+" == 0)"),
			severity: "critical",
			summary:  "The audit trail of " + known("service_name") + " has a gap behind repeated events", description: "Of " + known("service_name") + ", instance " + known("service_instance_id") + ", log " + known("audit_log_id") + ", as many events are missing in Loki within the last 24 hours as are counted twice.",
			dashboard: uidPipeline, panel: 16,
		},
		{
			name: "AdminSessionsNewAddress", uid: "adminsessions-new-address", slow: true,
			about: []string{"Reads 30 days back. In a trail younger than that, addresses are new more often."},
			expr: between(
				"sum by (service_name, email, ip) ("+within(requestsOf("ip"), "30m")+")",
				"unless",
				"sum by (service_name, email, ip) ("+"count_over_time("+requestsOf("ip")+" [30d] offset 30m))"),
			severity: "info",
			summary:  "An administrator of " + known("service_name") + " works from a new address, " + known("ip"), description: said("email") + " made " + value + " requests to " + known("service_name") + " from " + known("ip") + ", an address not seen of them in the 30 days before.",
			dashboard: uidSessions, panel: 3, vars: setTo("admin", "email") + setTo("ip", "ip"),
		},
		{
			name: "AdminSessionsRequestRateHigh", uid: "adminsessions-request-rate-high", slow: true,
			about: []string{
				"More than 300 requests in 10 minutes, and more than ten times the same administrator's",
				"average of the 7 days before (1008 times 10 minutes).",
			},
			expr: between(
				"(sum by (service_name, email) ("+within(requestsOf(), "10m")+") > 300)",
				"unless",
				"sum by (service_name, email) ("+within(requestsOf(), "10m")+")",
				"<= 10 * sum by (service_name, email) (count_over_time("+requestsOf()+" [7d] offset 10m)) / 1008"),
			severity: "warning",
			summary:  "Far more requests than usual of one administrator of " + known("service_name"), description: said("email") + " made " + value + " requests to " + known("service_name") + " within 10 minutes, more than ten times their average.",
			dashboard: uidSessions, panel: 3, vars: setTo("admin", "email"),
		},
		{
			name: "AdminSessionsTrailSilent", uid: "adminsessions-trail-silent", slow: true,
			about: []string{
				"The heartbeat told by Loki alone: nothing for a day from a service that recorded in the",
				"week before. 24h lets nights pass; where nobody works on weekends, take 72h. Who has",
				"Prometheus hears it within minutes: AdminSessionsNothingDelivered.",
			},
			expr: between(
				"sum by (service_name) (count_over_time("+every+words("type", "method")+ofAdmins+" | method!=\"\" [7d] offset 24h))",
				"unless",
				"sum by (service_name) ("+within(every+words("type", "method")+ofAdmins+" | method!=\"\"", "24h")+")"),
			severity: "warning",
			summary:  "The audit trail of " + known("service_name") + " is silent", description: "No admin request of " + known("service_name") + " has reached Loki for 24 hours; in the 7 days before it were " + value + ".",
			dashboard: uidPipeline, panel: 17,
		},
	})
}
