package main

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"
)

//go:embed templates
var templateFiles embed.FS

// pages are the parsed templates, by name, each inside the layout.
type pages struct {
	byName map[string]*template.Template
}

func parsePages() *pages {
	functions := template.FuncMap{
		"money": money,
		"date":  func(t time.Time) string { return t.Format("2 Jan 2006") },
		"title": func(s any) string { t := fmt.Sprint(s); return strings.ToUpper(t[:1]) + t[1:] },
		"add":   func(a, b int) int { return a + b },
	}
	layout := template.Must(template.New("layout.html").Funcs(functions).
		ParseFS(templateFiles, "templates/layout.html"))
	p := &pages{byName: make(map[string]*template.Template)}
	for _, name := range []string{"sign-in", "dashboard", "clients", "client", "client-form", "settings", "team", "section", "error"} {
		p.byName[name] = template.Must(template.Must(layout.Clone()).ParseFS(templateFiles, "templates/"+name+".html"))
	}
	return p
}

// money shows euro cents.
func money(cents int) string {
	euros := fmt.Sprint(cents / 100)
	for at := len(euros) - 3; at > 0; at -= 3 {
		euros = euros[:at] + "," + euros[at:]
	}
	return fmt.Sprintf("€%s.%02d", euros, cents%100)
}

// view is what every template sees.
type view struct {
	Account *account
	Company company
	Menu    string // which entry is the current one
	Page    any
}

// render answers with a page. It is made whole before the first byte is sent,
// so that a broken template is a 500 and not half a page.
func (p *panel) render(w http.ResponseWriter, r *http.Request, status int, name string, page any) {
	var body bytes.Buffer
	err := p.pages.byName[name].ExecuteTemplate(&body, "layout.html", view{
		Account: accountOf(r), Company: p.settings.get(), Menu: menuEntry(r.URL.Path), Page: page,
	})
	if err != nil {
		p.logger.ErrorContext(r.Context(), "page not rendered", "page", name, "error", err)
		http.Error(w, "This page could not be shown.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := body.WriteTo(w); err != nil {
		p.logger.DebugContext(r.Context(), "page not taken", "page", name, "error", err)
	}
}

// menuEntry is the menu's entry that a path belongs to.
func menuEntry(path string) string {
	rest := strings.TrimPrefix(path, "/admin/")
	first, _, _ := strings.Cut(rest, "/")
	return first
}
