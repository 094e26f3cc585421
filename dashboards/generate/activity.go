package main

import (
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// signedIn leaves out what nobody is signed in to.
const signedIn = ` | email!="-" or id!="-"`

// ofType are the requests that have ended, of the types chosen, with the words
// named beside type and status.
func ofType(names ...string) string {
	return selector() + ours + words(append([]string{"type", "method", "status"}, names...)...) +
		" | " + matches("type", in("type")) + ofAdmins + ended
}

func refused() string   { return ` | status=~"401|403"` }
func failed() string    { return ` | status=~"5.."` }
func perRecord() string { return records + " | unwrap n" }

// deleted leaves the acts that delete, whether or not it is known that they
// were done.
func deleted() string { return " | " + deletes + " | " + done }

func activity() *builder {
	b := frame(uidActivity, "Admins: activity", "Who is online, who does how much, what is refused and what fails.")
	add(b,
		ofTypes(),
		service(), environment(), lokiSource())

	toAdmin := links(
		link("Everything about this admin", here(uidAdmin, common3, to("admin", "email"))),
		link("Requests of this admin", here(uidSessions, common3, to("admin", "email"))))
	ofAddress := links(link("Requests from this address", here(uidSessions, common3, to("ip", "ip"))))
	admin, address := emailColumn.with(toAdmin), ipColumn.with(ofAddress)
	failures := failedSignIns(selector(), "ip") + " | " + matches("type", in("type"))
	// A row that says nothing is the last row of its page: closed, as it reads far back.
	ofNames := "ip, name"
	named := failures + " | label_format name=`{{ lower .tried }}`"

	online := []column{admin, idColumn, address, timeColumn("A", "Last seen"), numberColumn("B", "Requests", 100)}
	admins := []column{admin, idColumn, numberColumn("A", "Requests", 100), numberColumn("B", "Refused", 90), numberColumn("C", "Failed", 90)}
	acts := []column{actionColumn, methodColumn, numberColumn("A", "Requests", 100)}
	tried := []column{address, {field: "name", title: "Name tried", least: 160}, numberColumn("A", "Attempts", 100), timeColumn("B", "Last")}
	broken := []column{admin, actionColumn, {field: field("error"), title: "Error", least: 120}, numberColumn("A", "Errors", 90)}
	fresh := []column{admin, idColumn, address, numberColumn("A", "Requests", 100)}
	by := "email, id"

	heading(b, 20, "Who does what")
	for _, p := range []cog.Builder[dashboard.Panel]{
		counted(1, "Online", "Different administrators who made a request in the hour before the end of the time range.", distinct(by, ofType("email", "id")+signedIn, "1h"), place(0, 1, 4, 3)),
		counted(2, "Requests", "Ended requests in the time range. A folded record counts as one.", orZero(sum("", count(ofType(), wholeRange))), place(4, 1, 4, 3)),
		counted(3, "Addresses", "Different client addresses of signed-in administrators in the time range.", distinct("ip", ofType("email", "ip", "id")+signedIn, wholeRange), place(8, 1, 4, 3)),
		counted(4, "Failed sign-ins", "Attempts to sign in that failed, those in folded records included. Orange from 5, red from 20.", orZero("sum(sum_over_time("+failures+perRecord()+" ["+wholeRange+"]))"), place(12, 1, 4, 3), step{5, "orange"}, step{20, "red"}),
		counted(5, "Server errors", "Requests that ended with a 5xx status. Red from 1: an admin panel should have none.", orZero(sum("", count(ofType()+failed(), wholeRange))), place(16, 1, 4, 3), step{1, "red"}),
		counted(6, "Deletions", "Acts that delete, by whatever method, and that were done or may have been.", orZero(sum("", count(ofType("action", "outcome")+deleted(), wholeRange))), place(20, 1, 4, 3)),

		groups(sortedBy(tableOf(7, "Active in the last hour", "Administrators with a request in the hour before the end of the time range: when last, from which address last, how many requests in that hour.", "Nobody, or the query failed", place(0, 4, 13, 9), online...), "Last seen").
			WithTarget(instantly("A", "topk by ("+by+") (1,\n  "+lastSeen(by+", ip", ofType("email", "ip", "id")+signedIn, "1h")+"\n)")).
			WithTarget(instantly("B", sum(by, count(ofType("email", "id")+signedIn, "1h")))), online),
		bars(8, "Requests by admin", "The ten busiest administrators of each interval. Gray: nobody was signed in.", place(13, 4, 11, 9)).
			WithTarget(overTime("A", "topk(10, "+sum("email", count(ofType("email"), onePoint))+")", "{{email}}")).
			OverrideByName("-", []property{{Id: "displayName", Value: "nobody signed in"}, fixed("gray")}),

		groups(sortedBy(tableOf(9, "Administrators", "All requests, refused requests (401, 403) and server errors of each administrator in the time range.", "Nobody, or the query failed", place(0, 13, 12, 9), admins...), "Requests").
			WithTarget(instantly("A", sum(by, count(ofType("email", "id")+signedIn, wholeRange)))).
			WithTarget(instantly("B", sum(by, count(ofType("email", "id")+signedIn+refused(), wholeRange)))).
			WithTarget(instantly("C", sum(by, count(ofType("email", "id")+signedIn+failed(), wholeRange)))), admins),
		groups(sortedBy(tableOf(10, "What was done", "The 25 most frequent acts: what was done to what kind of thing, not each URL.", "Nothing, or the query failed", place(12, 13, 12, 9), acts...), "Requests").
			WithTarget(instantly("A", "topk(25, "+sum("action, method", count(ofType("action"), wholeRange))+")")), acts),

		colored(bars(11, "Requests by method", "Ended requests by HTTP method.", place(0, 22, 8, 8)), methodColors).
			WithTarget(overTime("A", sum("method", count(ofType(), onePoint)), "{{method}}")),
		durations(place(8, 22, 8, 8)),
		bars(13, "Refused and failed", "Refused requests (401, 403), other client errors, server errors.", place(16, 22, 8, 8)).
			WithTarget(overTime("A", sum("", count(ofType()+refused(), onePoint)), "refused")).
			WithTarget(overTime("B", sum("", count(ofType()+` | status=~"4.." | status!~"401|403"`, onePoint)), "other 4xx")).
			WithTarget(overTime("C", sum("", count(ofType()+failed(), onePoint)), "5xx")).
			OverrideByName("refused", []property{fixed("orange")}).
			OverrideByName("other 4xx", []property{fixed("yellow")}).
			OverrideByName("5xx", []property{fixed("red")}),

		groups(sortedBy(tableOf(14, "Failed sign-ins by address and name", "From where sign-in was tried in vain, and under which name. Many names from one address: guessing names. Many times one name: guessing a password. Names in small letters; the 50 most frequent.", "None, or the query failed", place(0, 30, 12, 9), tried...), "Attempts").
			WithTarget(instantly("A", "topk(50, "+sum(ofNames, "sum_over_time("+named+records+" | keep ip, name, n | unwrap n ["+wholeRange+"])")+")")).
			WithTarget(instantly("B", "topk(50, "+lastSeen(ofNames, named, wholeRange)+")")), tried),
		groups(sortedBy(tableOf(15, "Errors by admin and act", "Requests that ended with 5xx.", "None, or the query failed", place(12, 30, 12, 9), broken...), "Errors").
			WithTarget(instantly("A", "topk(50, "+sum("email, action, error", count(selector()+` |= " status=5"`+ours+words("type", "method", "status", "email", "action")+" | "+matches("type", in("type"))+ofAdmins+ended+failed()+" | logfmt error", wholeRange))+")")), broken),
	} {
		b.WithPanel(p)
	}

	b.WithRow(dashboard.NewRowBuilder("New addresses: reads 30 days back").GridPos(place(0, 39, 24, 1)).Id(16).Collapsed(true).
		WithPanel(groups(sortedBy(tableOf(17, "New IP addresses by admin", "Addresses from which an administrator worked in the time range but not in the 30 days before it. A new employee, a new office, a journey – or somebody else with the password.", "None, or the query failed", place(0, 40, 24, 8), fresh...), "Requests").
			WithTarget(instantly("A", strings.Join([]string{
				sum(by+", ip", count(ofType("email", "ip", "id")+signedIn, wholeRange)),
				"unless",
				sum(by+", ip", "count_over_time("+ofType("email", "ip", "id")+signedIn+" [30d] offset "+wholeRange+")"),
			}, "\n"))), fresh)))
	b.WithRow(dashboard.NewRowBuilder("Hours of the week").GridPos(place(0, 40, 24, 1)).Id(18).Collapsed(true).WithPanel(hours()))
	return b
}

// durations are of requests, of the words behind the part for people. What is not a number
// is a request that goes on, or a line that ends with the duration.
func durations(at dashboard.GridPos) cog.Builder[dashboard.Panel] {
	took := selector() + ours + ` | pattern "type=<type> method=<method> <_>\tsession=<_> request=<_> ms=<ms> <_>" | ` +
		matches("type", in("type")) + ofAdmins + ` | method!="-" | ms=~"[0-9.]+" | unwrap ms`
	of := func(quantile string) string {
		return "quantile_over_time(" + quantile + ", " + took + " [" + onePoint + "]) by (type)"
	}
	b := graph(12, "Duration by type", "How long half, and 95 of 100, of the requests took at most.", "ms", at).Datasource(loki).
		NoValue("Nothing, or the query failed").MaxDataPoints(120).Interval("1s").
		WithTarget(overTime("A", of("0.5"), "{{type}} half")).
		WithTarget(overTime("B", of("0.95"), "{{type}} 95 %"))
	for _, m := range typeColors {
		b = b.OverrideByName(m.value+" half", []property{fixed(m.color)}).
			OverrideByName(m.value+" 95 %", []property{fixed("dark-" + m.color), {Id: "custom.lineStyle", Value: map[string]any{"fill": "dash", "dash": []int{10, 10}}}})
	}
	return b
}

// hours counts by day and hour in the time zone of the dashboard.
func hours() cog.Builder[dashboard.Panel] {
	local := "((__timestamp__).In (toDateInZone \"2006\" (urldecode \"" + encoded("__timezone") + "\") \"2000\").Location)"
	expr := sum("weekday, hour", count(ofType()+
		" | label_format weekday=`{{ mod (add (printf \"%d\" "+local+".Weekday) 6) 7 }}`, hour=`{{ "+local+".Format \"15\" }}`", wholeRange))
	days := []mapping{{"0", "text", "Monday"}, {"1", "text", "Tuesday"}, {"2", "text", "Wednesday"}, {"3", "text", "Thursday"}, {"4", "text", "Friday"}, {"5", "text", "Saturday"}, {"6", "text", "Sunday"}}
	return tableOf(19, "Requests by hour of the week", "How many requests were made in each hour of each day of the week, in the dashboard's time zone. Work at unusual hours stands out.", "Nothing, or the query failed", place(0, 41, 24, 9)).
		Align(common.FieldTextAlignmentCenter).Filterable(false).Unit("locale").
		WithTarget(instantly("A", expr)).
		OverrideByName(`weekday\hour`, []property{{Id: "displayName", Value: " "}, {Id: "custom.width", Value: 100}, mapped(values(days)), {Id: "custom.align", Value: "left"}}).
		OverrideByRegexp(`/^\d\d$/`, []property{{Id: "custom.minWidth", Value: 36}, drawn("color-background"), {Id: "color", Value: map[string]any{"mode": "continuous-BlPu"}}, {Id: "min", Value: 0}}).
		Transformations([]dashboard.DataTransformerConfig{
			{Id: "sortBy", Options: map[string]any{"sort": []map[string]any{{"field": "hour"}}}},
			{Id: "groupingToMatrix", Options: map[string]any{"columnField": "hour", "rowField": "weekday", "valueField": "Value #" + refID("A"), "emptyValue": "null"}},
			{Id: "sortBy", Options: map[string]any{"sort": []map[string]any{{"field": `weekday\hour`}}}},
		})
}
