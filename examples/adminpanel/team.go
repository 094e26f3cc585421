package main

import (
	"cmp"
	"net/http"
	"slices"
	"sync"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
)

// roles are what an account may be.
var roles = []string{"Owner", "Support", "Billing", "Read only"}

// rights are what can be changed of an account.
type rights struct {
	Role string `json:"role"`
	MFA  bool   `json:"mfa"` // signs in with a second factor
}

// team holds the rights of all accounts, in memory.
type team struct {
	mu   sync.Mutex
	byID map[string]rights
}

func newTeam(all *accounts) *team {
	t := &team{byID: make(map[string]rights)}
	for _, a := range all.byEmail {
		t.byID[a.ID] = rights{Role: a.Role, MFA: true}
	}
	return t
}

func (t *team) get(id string) rights {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byID[id]
}

// update changes an account's rights, and returns them before and after.
func (t *team) update(id string, change func(*rights)) (before, after rights) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before = t.byID[id]
	after = before
	change(&after)
	t.byID[id] = after
	return before, after
}

type teamPage struct {
	Members []member
	Roles   []string
}

type member struct {
	*account
	Rights rights
}

func (p *panel) showTeam(w http.ResponseWriter, r *http.Request) {
	page := teamPage{Roles: roles}
	for _, a := range p.accounts.byEmail {
		page.Members = append(page.Members, member{a, p.team.get(a.ID)})
	}
	slices.SortFunc(page.Members, func(a, b member) int { return cmp.Compare(a.ID, b.ID) })
	p.render(w, r, http.StatusOK, "team", page)
}

// changeTeam changes the rights of the account in the path.
func (p *panel) changeTeam(change func(*rights, *http.Request) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		who := p.accounts.byID(r.PathValue("id"))
		if who == nil {
			p.fail(w, r, http.StatusNotFound)
			return
		}
		allowed := true
		before, after := p.team.update(who.ID, func(rights *rights) { allowed = change(rights, r) })
		if !allowed {
			p.fail(w, r, http.StatusUnprocessableEntity)
			return
		}
		instrumentation.SetResource(r.Context(), adminsessions.Resource{Name: who.FullName})
		instrumentation.Changed(r.Context(), before, after)
		http.Redirect(w, r, "/admin/admins", http.StatusSeeOther)
	}
}

func setRole(rights *rights, r *http.Request) bool {
	role := r.PostFormValue("role")
	if !slices.Contains(roles, role) {
		return false
	}
	rights.Role = role
	return true
}

func setMFA(on bool) func(*rights, *http.Request) bool {
	return func(rights *rights, _ *http.Request) bool {
		rights.MFA = on
		return true
	}
}
