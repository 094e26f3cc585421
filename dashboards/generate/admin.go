package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// ofAdmin are the requests of one administrator, by the whole e-mail address or
// the whole id: first the lines that hold it anywhere. Key and value are compared
// with the space behind them; an empty value would match every other.
func ofAdmin() string {
	return selector(checked("admin")) + " |~ `(?i)" + in("admin") + "`" + ours +
		` | pattern "type=<type> method=<method> status=<status> <mail>ip=<ip> <user>action=<action> <_>" | ` +
		matches("mail", "(?i)email="+in("admin")+" ") + " or " + matches("user", "id="+in("admin")+" ") + ofAdmins
}

func admin() *builder {
	b := frame(uidAdmin, "Admins: one admin", "Everything of one administrator: addresses, sessions, user agents, acts, requests.")
	add(b,
		textBox("admin", "Admin", "The whole e-mail address of the administrator, in any case of letters, or the whole id where there is no address."),
		service(), environment(), lokiSource())

	mine := ofAdmin() + ended
	all := mine + " | logfmt"
	none := "Nothing of this administrator in this time range, or the query failed"
	address := ipColumn.with(links(link("Requests from this address", here(uidSessions, common3, to("ip", "ip")))))
	session := column{field: field("session"), title: "Session", least: 120, more: []property{mapped(values([]mapping{{"-", "text", "–"}})), links(
		link("The story of this session", here(uidStories, append([]string{"admin"}, common3...), to("session", "session"))))}}
	by := func(id uint32, title, about string, at dashboard.GridPos, pipeline, names string, first ...column) cog.Builder[dashboard.Panel] {
		columns := append(first, numberColumn("A", "Requests", 100), timeColumn("B", "First"), timeColumn("C", "Last"))
		return groups(sortedBy(tableOf(id, title, about, none, at, columns...), "Last").
			WithTarget(instantly("A", sum(names, count(pipeline, wholeRange)))).
			WithTarget(instantly("B", firstSeen(names, pipeline, wholeRange))).
			WithTarget(instantly("C", lastSeen(names, pipeline, wholeRange))), columns)
	}
	acts := []column{actionColumn, methodColumn, numberColumn("A", "Requests", 100)}
	tried := failedSignIns(selector(checked("admin"))+" |~ `(?i)"+in("admin")+"`") + " | label_format who=`tried={{ .tried }} ` | " + matches("who", "(?i)tried="+in("admin")+" ")

	for _, p := range []cog.Builder[dashboard.Panel]{
		counted(1, "Requests", "Ended requests in the time range.", orZero(sum("", count(mine, wholeRange))), place(0, 0, 4, 3)),
		number(2, "Last seen", "When the newest request arrived.", "dateTimeFromNow", place(4, 0, 4, 3)).Datasource(loki).
			WithTarget(instantly("A", "max("+lastSeen("type", mine, wholeRange)+")")),
		counted(3, "Addresses", "Different client addresses. Orange from 5.", distinct("ip", mine, wholeRange), place(8, 0, 4, 3), step{5, "orange"}),
		counted(4, "Sessions", "Different sessions.", distinct("session", mine+` | logfmt session | session!="-"`, wholeRange), place(12, 0, 4, 3)),
		counted(5, "Failed sign-ins", "Attempts to sign in under this name that failed. Orange from 5, red from 20.", orZero("sum(sum_over_time("+tried+perRecord()+" ["+wholeRange+"]))"), place(16, 0, 4, 3), step{5, "orange"}, step{20, "red"}),
		counted(6, "Refused, failed", "Requests that ended with 401, 403 or 5xx. Orange from 10.", orZero(sum("", count(mine+` | status=~"401|403|5.."`, wholeRange))), place(20, 0, 4, 3), step{10, "orange"}),
		colored(bars(7, "Requests by method", "What was done when. Drag over the bars to zoom.", place(0, 3, 24, 6)), methodColors).
			WithTarget(overTime("A", sum("method", count(mine, onePoint)), "{{method}}")),
		requests(12, "Newest requests", "The newest 500 requests of the time range, those that go on included. A click on the date shows every detail.",
			ofAdmin()+shown(), 500, place(0, 9, 24, 13), append([]column{whenColumn, address, typeColumn, methodColumn, actColumn, thingColumn, whereColumn, statusColumn, tookColumn}, behind...)...),
		by(8, "By IP address", "From where.", place(0, 22, 10, 8), mine, "ip", address),
		by(9, "By session", "Each sign-in on the web is a session; its id is stored as a keyed hash. More than one address in a session can mean a stolen cookie.", place(10, 22, 14, 8), all, "session, ip", session, address),
		by(10, "By user agent", "With which browser or program.", place(0, 30, 14, 8), all, "ua", column{field: field("ua"), title: "User agent", least: 200, more: []property{inspected}}),
		groups(sortedBy(tableOf(11, "What was done", "The 25 most frequent acts.", none, place(14, 30, 10, 8), acts...), "Requests").
			WithTarget(instantly("A", "topk(25, "+sum("action, method", count(mine, wholeRange))+")")), acts),
	} {
		b.WithPanel(p)
	}
	return b
}
