package main

import (
	"net/http"
	"time"

	"github.com/adminsessions/adminsessions/instrumentation"
)

type dashboardPage struct {
	Active, Suspended int
	MonthlyCents      int
	NewThisMonth      int
	Newest            []client
	Overdue           []client
	Months            []month
	Plans             []planShare
}

// month is a bar of the chart: clients who signed up in it.
type month struct {
	Name   string
	Count  int
	X, Y   int // of the bar's top left corner
	Height int
}

type planShare struct {
	Name    string
	Count   int
	Percent int // of the largest
}

// The chart's bars, in the units of its view box.
const (
	barPitch  = 50
	barHeight = 120
)

func (p *panel) dashboard(w http.ResponseWriter, r *http.Request) {
	instrumentation.SetAction(r.Context(), "dashboard.view")
	all, _ := p.clients.find(query{Sort: "-created", PerPage: 1 << 20})
	p.render(w, r, http.StatusOK, "dashboard", summarize(all, p.now()))
}

// summarize counts clients, newest first.
func summarize(all []client, now time.Time) dashboardPage {
	page := dashboardPage{Newest: all[:min(6, len(all))]}
	first := time.Date(now.Year(), now.Month()-11, 1, 0, 0, 0, 0, time.UTC)
	for i := range 12 {
		page.Months = append(page.Months, month{Name: first.AddDate(0, i, 0).Format("Jan"), X: i * barPitch})
	}
	byPlan := make(map[string]int)
	for _, c := range all {
		switch c.Status {
		case active:
			page.Active++
			page.MonthlyCents += c.MonthlyCents
			byPlan[c.Plan]++
		case suspended:
			page.Suspended++
			if len(page.Overdue) < 5 {
				page.Overdue = append(page.Overdue, c)
			}
		case closed:
		}
		if at := (c.CreatedAt.Year()-first.Year())*12 + int(c.CreatedAt.Month()-first.Month()); at >= 0 && at < 12 {
			page.Months[at].Count++
		}
	}
	page.NewThisMonth = page.Months[11].Count
	most := 1
	for _, m := range page.Months {
		most = max(most, m.Count)
	}
	for i := range page.Months {
		m := &page.Months[i]
		m.Height = m.Count * barHeight / most
		m.Y = barHeight - m.Height
	}
	most = 1
	for _, plan := range plans {
		most = max(most, byPlan[plan.Name])
	}
	for _, plan := range plans {
		page.Plans = append(page.Plans, planShare{plan.Name, byPlan[plan.Name], byPlan[plan.Name] * 100 / most})
	}
	return page
}
