package main

import (
	_ "embed"
	"fmt"
	"hash/fnv"
	"net/http"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions/instrumentation"
)

//go:embed routes.tsv
var routesTSV string

// A route is one line of routes.tsv.
type route struct {
	method  string
	api     bool
	pattern string // of the path
}

func parseRoutes(tsv string) []route {
	var routes []route
	for line := range strings.Lines(tsv) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, "\t")
		routes = append(routes, route{method: fields[0], api: fields[1] == "api", pattern: fields[2]})
	}
	return routes
}

// otherRoutes answers, with sample content, for the routes of a whole hosting
// panel that have nothing of their own here.
func (p *panel) otherRoutes() {
	for _, one := range p.routeList {
		pattern := one.method + " " + one.pattern
		switch {
		case p.own[pattern]:
		case one.api:
			p.api(pattern, p.apiSection(one))
		default:
			p.web(pattern, p.section(one))
		}
	}
}

type sectionPage struct {
	Title, Path string
	Rows        []sectionRow
}

type sectionRow struct {
	ID      string `audit:"-"`
	Name    string
	State   status
	Changed time.Time `audit:"-"`
}

func (p *panel) section(one route) http.HandlerFunc {
	title := sectionTitle(one.pattern)
	return func(w http.ResponseWriter, r *http.Request) {
		page := sectionPage{Title: title, Path: r.URL.Path}
		for i := range 8 {
			page.Rows = append(page.Rows, p.sectionRow(r.URL.Path, title, i))
		}
		p.render(w, r, http.StatusOK, "section", page)
	}
}

// sectionRow is made up, and the same every time it is asked for.
func (p *panel) sectionRow(path, title string, i int) sectionRow {
	h := fnv.New64a()
	fmt.Fprint(h, path, i)
	sum := h.Sum64()
	return sectionRow{
		ID:      fmt.Sprintf("%08x-%04x", uint32(sum), uint16(sum>>32)),
		Name:    fmt.Sprintf("%s %d", strings.TrimSuffix(title, "s"), sum%900+100),
		State:   statuses[sum%8/6], // mostly active, some suspended
		Changed: p.now().AddDate(0, 0, -int(sum>>8%400)),
	}
}

// sectionTitle makes "Tax rules" of /admin/tax_rules/{uuid}.
func sectionTitle(pattern string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(pattern, "/admin/"), "api/"), "/")
	words := strings.ReplaceAll(first, "_", " ")
	return strings.ToUpper(words[:1]) + words[1:]
}

// unknownID is the identifier that sections know nothing of.
const unknownID = "00000000-0000"

func (p *panel) apiSection(one route) http.HandlerFunc {
	title := sectionTitle(one.pattern)
	return func(w http.ResponseWriter, r *http.Request) {
		id, named := sectionID(r, one.pattern)
		if id == unknownID {
			p.fail(w, r, http.StatusNotFound)
			return
		}
		switch r.Method {
		case http.MethodPost:
			p.writeJSON(w, r, http.StatusCreated, map[string]any{"status": "success", "data": p.sectionRow(r.URL.Path, title, 0)})
		case http.MethodPut:
			before, after := p.sectionRow(r.URL.Path, title, 1), p.sectionRow(r.URL.Path, title, 0)
			instrumentation.Changed(r.Context(), before, after)
			p.writeJSON(w, r, http.StatusOK, map[string]any{"status": "success", "data": after})
		case http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
		default:
			if named {
				p.writeJSON(w, r, http.StatusOK, map[string]any{"data": p.sectionRow(r.URL.Path, title, 0)})
				return
			}
			rows := make([]sectionRow, 0, 8)
			for i := range cap(rows) {
				rows = append(rows, p.sectionRow(r.URL.Path, title, i))
			}
			p.writeJSON(w, r, http.StatusOK, map[string]any{"data": rows, "total": len(rows)})
		}
	}
}

// sectionID returns the last identifier in the request's path.
func sectionID(r *http.Request, pattern string) (id string, named bool) {
	for segment := range strings.SplitSeq(pattern, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			id, named = r.PathValue(strings.TrimSuffix(name, "}")), true
		}
	}
	return id, named
}
