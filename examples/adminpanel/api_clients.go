package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// maxBody is the most an API request may send.
const maxBody = 64 << 10

// A clientList is one page of clients.
type clientList struct {
	Data    []client `json:"data"`
	Total   int      `json:"total"`
	Page    int      `json:"page"`
	PerPage int      `json:"per_page"`
}

// apiListClients answers GET /admin/api/clients?search=&status=&sort=&page=&per_page=.
func (p *panel) apiListClients(w http.ResponseWriter, r *http.Request) {
	q := readQuery(r, 25)
	page, total := p.clients.find(q)
	p.writeJSON(w, r, http.StatusOK, clientList{Data: page, Total: total, Page: q.Page, PerPage: q.PerPage})
}

func (p *panel) apiGetClient(w http.ResponseWriter, r *http.Request) {
	found, err := p.clients.get(pathID(r))
	if err != nil {
		p.failed(w, r, err)
		return
	}
	p.writeJSON(w, r, http.StatusOK, found)
}

func (p *panel) apiCreateClient(w http.ResponseWriter, r *http.Request) {
	in, ok := p.readClient(w, r)
	if !ok {
		return
	}
	made, err := p.clients.create(in)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	changedClient(r.Context(), nil, &made)
	w.Header().Set("Location", fmt.Sprintf("/admin/api/clients/%d", made.ID))
	p.writeJSON(w, r, http.StatusCreated, made)
}

func (p *panel) apiUpdateClient(w http.ResponseWriter, r *http.Request) {
	in, ok := p.readClient(w, r)
	if !ok {
		return
	}
	before, after, err := p.clients.update(pathID(r), in)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	changedClient(r.Context(), &before, &after)
	p.writeJSON(w, r, http.StatusOK, after)
}

func (p *panel) apiDeleteClient(w http.ResponseWriter, r *http.Request) {
	was, err := p.clients.delete(pathID(r))
	if err != nil {
		p.failed(w, r, err)
		return
	}
	changedClient(r.Context(), &was, nil)
	w.WriteHeader(http.StatusNoContent)
}

// readClient decodes and checks a client; if it is no good it has answered.
func (p *panel) readClient(w http.ResponseWriter, r *http.Request) (client, bool) {
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	body.DisallowUnknownFields()
	var in client
	if err := body.Decode(&in); err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			p.writeError(w, r, http.StatusRequestEntityTooLarge, "the body is larger than 64 KiB", nil)
		} else {
			p.writeError(w, r, http.StatusBadRequest, "the body is not a client in JSON: "+err.Error(), nil)
		}
		return client{}, false
	}
	if wrong := in.clean(); len(wrong) > 0 {
		p.writeError(w, r, http.StatusUnprocessableEntity, "some fields can't be kept", wrong)
		return client{}, false
	}
	return in, true
}

// pathID is the {id} of the path, -1 (nobody's) if it is not a number.
func pathID(r *http.Request) int {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		return -1
	}
	return id
}

// readQuery takes the list's parameters; what makes no sense is as if absent.
func readQuery(r *http.Request, perPage int) query {
	params := r.URL.Query()
	number := func(name string, fallback, most int) int {
		n, err := strconv.Atoi(params.Get(name))
		if err != nil || n < 1 {
			return fallback
		}
		return min(n, most)
	}
	return query{
		Search: params.Get("search"), Status: status(params.Get("status")), Sort: params.Get("sort"),
		Page: number("page", 1, 100_000), PerPage: number("per_page", perPage, 100),
	}
}
