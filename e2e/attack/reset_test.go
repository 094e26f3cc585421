package attack

import (
	"fmt"
	"net/http"
	"testing"
)

// resets hang up. What was done stays in the trail as done, however soon the
// client is gone.
func resets() []attack {
	const each = 8
	var attacks []attack
	add := func(kind string, i int, r request, want want, check func(*testing.T, *attack, []line)) {
		attacks = append(attacks, attack{
			name: fmt.Sprintf("reset-%s-%02d", kind, i+1), want: want, check: check,
			send: func(t *testing.T, s *suite, a *attack) {
				if err := s.reset(a.from, r.bytes(s, a)); err != nil {
					t.Fatalf("%s: %v", a.name, err)
				}
			},
		})
	}
	for i := range each {
		id := 7600 + i
		add("delete", i, request{method: "DELETE", target: fmt.Sprint("/admin/api/clients/", id), as: "anna"}, want{lines: -1}, doneOrNever(http.StatusNoContent))
		add("delete-form", i, request{method: "POST", target: fmt.Sprint("/admin/clients/", id+10, "/delete"), as: "browser"}, want{lines: -1}, doneOrNever(http.StatusSeeOther))
		add("denied", i, request{method: "DELETE", target: fmt.Sprint("/admin/api/clients/", id)}, want{lines: -1}, doneOrNever(http.StatusUnauthorized))
	}
	// A body that never comes whole.
	for i := range 4 {
		add("half", i, request{method: "POST", target: "/admin/api/clients", as: "anna", headers: []string{"Content-Length: 1000"}}, want{lines: -1, email: "anna@example.com"}, nil)
	}
	return attacks
}

// doneOrNever: the kernel may throw a request away that came with the reset; one
// that was handled has the status that the handler gave.
func doneOrNever(status int) func(*testing.T, *attack, []line) {
	return func(t *testing.T, _ *attack, lines []line) {
		if len(lines) > 1 {
			t.Errorf("%d lines for one request", len(lines))
		}
		for _, l := range lines {
			// Gone already when another attack deleted it: not found is what the
			// handler said then.
			if got := l.event.StatusCode; got != status && got != http.StatusNotFound {
				t.Errorf("status %d, want the handler's own %d", got, status)
			}
		}
	}
}
