package main

import (
	"encoding/json"
	"errors"
	"net/http"
)

// fail answers with an error as a page, or as JSON on the API.
func (p *panel) fail(w http.ResponseWriter, r *http.Request, status int) {
	if isAPI(r) {
		p.writeError(w, r, status, http.StatusText(status), nil)
		return
	}
	p.render(w, r, status, "error", errorPage{Status: status, Text: http.StatusText(status), Help: help(status)})
}

// failed answers for an error of the clients' store.
func (p *panel) failed(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, errNoClient) {
		p.fail(w, r, http.StatusNotFound)
		return
	}
	p.logger.ErrorContext(r.Context(), "request failed", "path", r.URL.Path, "error", err)
	p.fail(w, r, http.StatusInternalServerError)
}

type errorPage struct {
	Status int
	Text   string
	Help   string
}

func help(status int) string {
	switch status {
	case http.StatusNotFound:
		return "There is nothing at this address. It may have been deleted, or the link is mistyped."
	case http.StatusMethodNotAllowed:
		return "This address exists, but it cannot be asked in this way."
	case http.StatusForbidden:
		return "This request was sent by another site's page, and was not carried out."
	case http.StatusBadRequest:
		return "The request could not be understood."
	default:
		return "Something went wrong on our side. The request has been recorded."
	}
}

// apiError is the body of every answer of the API that is not a success.
type apiError struct {
	Status  int    `json:"status"`
	Message string `json:"message"`
	Fields  faults `json:"fields,omitempty"`
}

func (p *panel) writeError(w http.ResponseWriter, r *http.Request, status int, message string, fields faults) {
	p.writeJSON(w, r, status, map[string]apiError{"error": {Status: status, Message: message, Fields: fields}})
}

func (p *panel) writeJSON(w http.ResponseWriter, r *http.Request, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		p.logger.DebugContext(r.Context(), "answer not taken", "path", r.URL.Path, "error", err)
	}
}
