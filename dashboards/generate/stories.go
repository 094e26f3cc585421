package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	logs "github.com/grafana/grafana-foundation-sdk/go/loki"
)

// inSessions are the requests that have ended and belong to a session, of the
// admin chosen.
func inSessions() string {
	return selector(checked("admin")) + ours +
		` | pattern "type=<type> method=<method> status=<status> email=<email> ip=<ip> id=<id> <_>\tsession=<session> request=<_>"` +
		ofAdmins + ended + ` | session!="-" | session!="" | ` +
		optional("admin", matches("email", "(?i).*"+in("admin")+".*")+" or "+matches("id", in("admin")))
}

func narrow(c column, width int) column {
	c.width = width
	return c
}

func sessionList() *builder {
	b := frame(uidStories, "Admins: sessions", "Each session: whose, from where, with what, from when to when. A click on one tells its story.")
	add(b,
		textBox("admin", "Admin", "Part of an administrator's e-mail address, or a whole user id."),
		textBox("session", "Session", "The session as stored: a keyed hash, never the session's own id."),
		service(), environment(), lokiSource())
	by := "session, email, id"
	story := column{field: field("session"), title: "Session", width: 120, more: []property{links(
		link("The story of this session", here(uidStories, append([]string{"admin"}, common3...), to("session", "session"))))}}
	whose := column{field: field("email"), title: "E-mail", least: 120}.with(mapped(values([]mapping{{"-", "text", "nobody"}})), links(
		link("Everything about this admin", here(uidAdmin, common3, to("admin", "email"))),
		link("Sessions of this admin", here(uidStories, common3, to("admin", "email")))))
	columns := []column{story, whose, narrow(idColumn, 50), ipColumn.with(links(link("Requests from this address", here(uidSessions, common3, to("ip", "ip"))))),
		{field: field("ua"), title: "User agent", least: 100, more: []property{inspected}},
		timeColumn("B", "First"), timeColumn("A", "Last"), numberColumn("C", "Requests", 84), numberColumn("D", "WEB", 54), numberColumn("E", "API", 54),
		numberColumn("F", "Addresses", 92).with(property{Id: "thresholds", Value: map[string]any{"mode": "absolute", "steps": []map[string]any{{"value": nil, "color": "text"}, {"value": 2, "color": "orange"}}}}, drawn("color-text")),
	}
	of := inSessions()
	steps := append([]column{whenColumn, whoColumn, fromColumn, typeColumn, methodColumn, actColumn, thingColumn, whereColumn, statusColumn, tookColumn}, behind...)
	for _, p := range []cog.Builder[dashboard.Panel]{
		groups(sortedBy(tableOf(1, "Sessions", "A row a session and administrator, with the address and user agent seen last. A session of two administrators has two rows. Orange: from more than one address, which can be a journey or a stolen cookie. At most the 500 seen last.",
			"No sessions, or the query failed", place(0, 0, 24, 12), columns...), "Last").
			WithTarget(instantly("A", "topk(500, topk by ("+by+") (1,\n  "+lastSeen(by+", ip, ua", of+" | logfmt", wholeRange)+"\n))")).
			WithTarget(instantly("B", firstSeen(by, of, wholeRange))).
			WithTarget(instantly("C", sum(by, count(of, wholeRange)))).
			WithTarget(instantly("D", sum(by, count(of+` | type="WEB"`, wholeRange)))).
			WithTarget(instantly("E", sum(by, count(of+` | type="API"`, wholeRange)))).
			WithTarget(instantly("F", "count by ("+by+") ("+sum(by+", ip", count(of, wholeRange))+")")), columns),
		tableOf(2, "The story of ${session}", "The first 1,000 requests of the session in the time range, in their order.", "Click on a session above. No rows with one chosen: none in this time range, or the query failed", place(0, 12, 24, 16), steps...).
			SortBy([]cog.Builder[common.TableSortByFieldState]{common.NewTableSortByFieldStateBuilder().DisplayName("Date").Desc(false)}).
			WithTarget(lines(byID("session")+shown(), mostRows).Direction(logs.LokiQueryDirectionForward)).
			Transformations(append(ofRows(), only(steps)...)),
	} {
		b.WithPanel(p)
	}
	return b
}
