package main

import (
	"slices"
	"strings"

	"github.com/adminsessions/adminsessions"
)

// What stands in variables comes from whoever wrote the link, so it enters
// queries in two ways only, which no value can leave.
//
// Grafana expands a variable of a Loki query a second time if it may cut the
// query into days; then a value that holds $name would be replaced by the raw
// value of another variable. refID keeps it from cutting, see there.

// in is a variable's value, or one of its values, as a literal of the regular
// expression that it stands in. The expression must be a raw string, in
// backticks. Of all characters only a backtick could end it, and then the group
// is left open: Loki refuses the query, whatever else the value holds, as every
// parenthesis in it is escaped.
func in(variable string) string { return "(?:${" + variable + ":regex})" }

// encoded is a variable's value with everything percent-encoded that is not a
// letter, a digit or one of "-_.~". It can stand in any string.
func encoded(variable string) string { return "${" + variable + ":percentencode}" }

// matches compares a label with a regular expression. Loki 3.7.8 forgets that
// it must match the whole of a parsed label where it is a text with ".*" before
// or behind: 5.* holds for 405.
func matches(label, expression string) string { return label + "=~`" + expression + "`" }

// says matches the part for people where one of its texts has the value: a
// literal, so that Loki looks for it and compiles nothing dear. No other text can
// say so: within quotes, a quote has a backslash before it.
func says(name, value string) string {
	return matches("human", "(?i).* "+field(name)+`="`+value+`".*`)
}

// optional is a label filter that holds for everything while the variable is
// empty: no event has the label nothing, and an empty expression matches that.
// It costs next to nothing then, unlike an expression that matches anything.
func optional(variable, filter string) string {
	return matches("nothing", in(variable)) + " or " + filter
}

// refID names a query of a panel. The words in it make Grafana send the query
// whole: cut into days, or by the shards of streams, it would expand its variables
// twice.
func refID(letter string) string { return letter + "-do-not-chunk-do-not-shard" }

// checked is a condition for a selector that holds for every stream, as none has
// the label nothing. Loki reads it before anything else, so a value that breaks
// its expression is refused; broken in a line filter alone, Loki 3.7.8 answers
// Grafana that there are no lines.
func checked(variable string) string { return "nothing!~`." + in(variable) + "`" }

// selector takes the streams of the services and environments chosen.
func selector(more ...string) string {
	return "{" + strings.Join(slices.Concat([]string{
		matches("service_name", in("service")),
		matches("deployment_environment_name", in("environment")),
	}, more), ", ") + "}"
}

// ours leaves out lines with U+FFFD, which no event has. Loki answers a whole
// query with an error, or leaves an entry out in silence, if a label that it
// takes out of a line holds it.
const ours = ` != "\uFFFD"`

// words takes words out of the part for people, by their position. The pattern
// is anchored: other lines get no labels. The last of the names may carry the
// beginning of the next part, where nothing stands between.
func words(names ...string) string {
	var b strings.Builder
	b.WriteString(` | pattern "`)
	for f := range adminsessions.Fields() {
		if len(names) == 0 {
			break
		}
		if !f.Word || f.Part != adminsessions.People {
			continue
		}
		capture := "_"
		if i := slices.Index(names, f.Name); i >= 0 {
			capture, names = f.Name, slices.Delete(slices.Clone(names), i, i+1)
		}
		b.WriteString(f.Name + "=<" + capture + "> ")
	}
	if len(names) > 0 {
		panic("no words of the part for people: " + strings.Join(names, ", "))
	}
	return b.String() + `<_>"`
}

// field checks that an event has a field of the name.
func field(name string) string {
	for f := range adminsessions.Fields() {
		if f.Name == name {
			return name
		}
	}
	panic("an event has no field " + name)
}

// holds is a line filter that leaves the lines with a field's text, such as
// signin="failure"; another text may hold the same, so a label filter follows.
func holds(name, value string) string {
	return " |= `" + field(name) + "=\"" + value + "\"`"
}

// Durations that Grafana fills in: of the whole range, and of one point.
const (
	wholeRange = "$__range"
	onePoint   = "$__auto"
)

func count(pipeline, over string) string { return "count_over_time(" + pipeline + " [" + over + "])" }

func sum(by, inner string) string {
	if by == "" {
		return "sum(" + inner + ")"
	}
	return "sum by (" + by + ") (" + inner + ")"
}

// orZero is for a number that is 0 where nothing is counted. A query that fails
// has no value at all.
func orZero(expr string) string { return expr + "\nor vector(0)" }

// distinct counts groups.
func distinct(by, pipeline, over string) string {
	return orZero("count(" + sum(by, count(pipeline, over)) + ")")
}

// seenAt makes the entry's time a number, in milliseconds.
const seenAt = " | label_format seen=`{{ __timestamp__ | unixEpochMillis }}` | unwrap seen"

func firstSeen(by, pipeline, over string) string {
	return "min_over_time(" + pipeline + seenAt + " [" + over + "]) by (" + by + ")"
}

func lastSeen(by, pipeline, over string) string {
	return "max_over_time(" + pipeline + seenAt + " [" + over + "]) by (" + by + ")"
}

// ended leaves out requests that go on: they are counted when they have ended.
const ended = ` | status!="started" | method!=""`

// ofAdmins leaves out what the trail tells of itself, which nobody did. The word
// type must have been taken. Only the exporter writes that type, so that nothing
// an administrator does can hide behind it.
const ofAdmins = ` | type!="TRAIL"`

// failedSignIns are the attempts to sign in that failed, with type, the words
// named and every other field.
func failedSignIns(of string, names ...string) string {
	return of + holds("signin", "failure") + ours + words(append([]string{"type", "method"}, names...)...) + ofAdmins + ` | method!="" | logfmt | signin="failure"`
}

// records counts with its number what was folded into one record.
const records = " | label_format n=`{{ if .count }}{{ .count }}{{ else }}1{{ end }}`"
