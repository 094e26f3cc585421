package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Text writes the report for people. visible makes texts of the trail fit for a
// terminal, bold makes a heading of one.
func (r *Report) Text(w io.Writer, visible, bold func(string) string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n", bold(r.Title()), r.Summary())
	section := func(title string, more int, rows [][]string) {
		if len(rows) == 0 {
			return
		}
		fmt.Fprintf(&b, "\n%s\n", bold(title))
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, row := range rows {
			for i := range row {
				row[i] = visible(row[i])
			}
			fmt.Fprintln(t, "  "+strings.Join(row, "\t"))
		}
		_ = t.Flush() // into memory
		if more > 0 {
			fmt.Fprintf(&b, "  and %d more\n", more)
		}
	}
	for _, s := range r.sections() {
		rows := s.Rows
		if len(s.Columns) > 0 && len(rows) > 0 {
			rows = append([][]string{s.Columns}, rows...)
		}
		section(s.Title, s.More, rows)
	}
	for _, u := range r.Unknown {
		fmt.Fprintf(&b, "\nnot known: %s\n", visible(u))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// section is one table of the report.
type section struct {
	Title   string
	About   string
	Columns []string
	Rows    [][]string
	More    int
	Alert   bool
}

const clock = "2006-01-02 15:04"

// sections are the tables of the report, those without rows, too.
func (r *Report) sections() []section {
	zone := r.From.Location()
	incidents := func(list []Incident, text bool) (rows [][]string) {
		for _, i := range list {
			row := []string{i.Time.In(zone).Format(clock), i.Who, i.Address, i.What}
			if text {
				row = append(row, i.Text)
			}
			rows = append(rows, row)
		}
		return rows
	}
	var admins, acts, signIns, addresses, logs [][]string
	for _, a := range r.Admins {
		name := cmp.Or(a.Name, a.Email, a.ID)
		admins = append(admins, []string{name, a.Email, number(a.Events), number(a.Changes), number(a.Denied), number(a.Errors), few(a.Addresses), a.Last.In(zone).Format(clock)})
	}
	for _, a := range r.Acts {
		acts = append(acts, []string{a.Action, number(a.Success), number(a.Denied), number(a.Failure), number(a.Error)})
	}
	for _, s := range r.SignIns {
		signIns = append(signIns, []string{s.Name, s.Address, number(s.Times), s.Last.In(zone).Format(clock)})
	}
	for _, a := range r.NewAddresses {
		addresses = append(addresses, []string{a.First.In(zone).Format(clock), a.Who, a.Address, strings.TrimSpace(a.Country + " " + a.Network), number(a.Events)})
	}
	for _, l := range r.Logs {
		logs = append(logs, []string{l.Service, l.Instance, l.ID[:min(8, len(l.ID))], fmt.Sprintf("%d to %d", l.First, l.Last), number(l.Events), fmt.Sprint(l.Missing)})
	}
	return []section{
		{"Who", "", []string{"administrator", "e-mail", "all", "changing", "denied", "errors", "from", "last seen"}, admins, r.More.Admins, false},
		{"What was done", "", []string{"action", "success", "denied", "failure", "error"}, acts, r.More.Acts, false},
		{"Denied", "", []string{"when", "who", "from", "what"}, incidents(r.Refusals, false), r.More.Refusals, true},
		{"Failed sign-ins", "", []string{"name tried", "from", "times", "last"}, signIns, r.More.SignIns, true},
		{"New addresses", "not seen of the administrator in the 30 days before", []string{"first", "who", "from", "where", "requests"}, addresses, r.More.NewAddresses, true},
		{"Reasons given", "", []string{"when", "who", "from", "what", "reason"}, incidents(r.Reasons, true), r.More.Reasons, false},
		{"The trail itself", "", []string{"when", "by", "from", "what", "note"}, incidents(r.Trail, true), r.More.Trail, false},
		{"Completeness", "numbers that a log has given in the period, and entries that Loki has", []string{"service", "instance", "log", "numbers", "entries", "missing"}, logs, 0, r.Missing > 0 || r.Doubled > 0},
	}
}

func number(n int64) string {
	if n == 0 {
		return "·"
	}
	return fmt.Sprint(n)
}

// few are some of many.
func few(list []string) string {
	const most = 3
	if len(list) > most {
		return strings.Join(list[:most], ", ") + fmt.Sprintf(" and %d more", len(list)-most)
	}
	return strings.Join(list, ", ")
}
