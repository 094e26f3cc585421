package main

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"

	"github.com/adminsessions/adminsessions"
)

const clientsPerPage = 15

type clientsPage struct {
	Query   query
	Clients []client
	Total   int
	From    int
	To      int
	Pages   int
}

// Link is this list with one parameter changed; any other change than of the
// page starts at the first page again.
func (c clientsPage) Link(name string, value any) string {
	params := url.Values{}
	set := func(key, value string) {
		if value != "" && value != "0" {
			params.Set(key, value)
		}
	}
	set("search", c.Query.Search)
	set("status", string(c.Query.Status))
	set("sort", c.Query.Sort)
	params.Del(name)
	set(name, fmt.Sprint(value))
	if len(params) == 0 {
		return "/admin/clients"
	}
	return "/admin/clients?" + params.Encode()
}

// SortLink orders by a column, the other way round if it already does.
func (c clientsPage) SortLink(column string) string {
	if c.Query.Sort == column {
		return c.Link("sort", "-"+column)
	}
	return c.Link("sort", column)
}

// Sorted says how a column is ordered, in aria-sort's words.
func (c clientsPage) Sorted(column string) string {
	switch c.Query.Sort {
	case column:
		return "ascending"
	case "-" + column:
		return "descending"
	default:
		return "none"
	}
}

func (p *panel) listClients(w http.ResponseWriter, r *http.Request) {
	q := readQuery(r, clientsPerPage)
	if q.Sort == "" {
		q.Sort = "-id"
	}
	found, total := p.clients.find(q)
	page := clientsPage{Query: q, Clients: found, Total: total, Pages: max(1, (total+q.PerPage-1)/q.PerPage)}
	if len(found) > 0 {
		page.From = (q.Page-1)*q.PerPage + 1
		page.To = page.From + len(found) - 1
	}
	p.render(w, r, http.StatusOK, "clients", page)
}

type clientPage struct {
	client
	History template.HTML // what was done to the client
}

func (p *panel) showClient(w http.ResponseWriter, r *http.Request) {
	found, err := p.clients.get(pathID(r))
	if err != nil {
		p.failed(w, r, err)
		return
	}
	history := p.history(r, adminsessions.Resource{Type: "clients", ID: strconv.Itoa(found.ID)})
	p.render(w, r, http.StatusOK, "client", clientPage{found, history})
}

type clientForm struct {
	Client   client
	Faults   faults
	Plans    []plan
	Statuses []status
}

// New reports whether the form makes a client rather than changing one.
func (f clientForm) New() bool { return f.Client.ID == 0 }

func (p *panel) clientForm(w http.ResponseWriter, r *http.Request, code int, c client, wrong faults) {
	p.render(w, r, code, "client-form", clientForm{Client: c, Faults: wrong, Plans: plans, Statuses: statuses})
}

func (p *panel) newClient(w http.ResponseWriter, r *http.Request) {
	p.clientForm(w, r, http.StatusOK, client{Status: active, Plan: plans[0].Name}, nil)
}

func (p *panel) createClient(w http.ResponseWriter, r *http.Request) {
	in := postedClient(w, r)
	if wrong := in.clean(); len(wrong) > 0 {
		p.clientForm(w, r, http.StatusUnprocessableEntity, in, wrong)
		return
	}
	made, err := p.clients.create(in)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	changedClient(r.Context(), nil, &made)
	http.Redirect(w, r, "/admin/clients/"+strconv.Itoa(made.ID), http.StatusSeeOther)
}

func (p *panel) editClient(w http.ResponseWriter, r *http.Request) {
	found, err := p.clients.get(pathID(r))
	if err != nil {
		p.failed(w, r, err)
		return
	}
	p.clientForm(w, r, http.StatusOK, found, nil)
}

func (p *panel) updateClient(w http.ResponseWriter, r *http.Request) {
	in := postedClient(w, r)
	if wrong := in.clean(); len(wrong) > 0 {
		in.ID = pathID(r)
		p.clientForm(w, r, http.StatusUnprocessableEntity, in, wrong)
		return
	}
	before, after, err := p.clients.update(pathID(r), in)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	changedClient(r.Context(), &before, &after)
	http.Redirect(w, r, "/admin/clients/"+strconv.Itoa(after.ID), http.StatusSeeOther)
}

// setClientStatus suspends a client, or takes that back.
func (p *panel) setClientStatus(to status) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		before, after, err := p.clients.setStatus(pathID(r), to)
		if err != nil {
			p.failed(w, r, err)
			return
		}
		changedClient(r.Context(), &before, &after)
		if to == suspended {
			p.queue.stopServices(r.Context(), accountOf(r), after)
		}
		http.Redirect(w, r, "/admin/clients/"+strconv.Itoa(after.ID), http.StatusSeeOther)
	}
}

func (p *panel) deleteClient(w http.ResponseWriter, r *http.Request) {
	was, err := p.clients.delete(pathID(r))
	if err != nil {
		p.failed(w, r, err)
		return
	}
	changedClient(r.Context(), &was, nil)
	http.Redirect(w, r, "/admin/clients", http.StatusSeeOther)
}

func postedClient(w http.ResponseWriter, r *http.Request) client {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	return client{
		Name: r.PostFormValue("name"), Company: r.PostFormValue("company"),
		Email: r.PostFormValue("email"), Phone: r.PostFormValue("phone"),
		City: r.PostFormValue("city"), Country: r.PostFormValue("country"),
		Plan: r.PostFormValue("plan"), Status: status(r.PostFormValue("status")),
		Notes: r.PostFormValue("notes"),
	}
}
