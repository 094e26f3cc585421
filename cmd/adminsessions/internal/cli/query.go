package cli

import (
	"strings"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/internal/trail/query"
)

// Query is what is searched for.
type Query struct {
	Query []string `arg:"" optional:"" help:"What to search for, as in the page's search box: free text, and terms such as admin:anna action:delete object:clients/7731 ip:10.0.0.0/8 'url:/admin/'. A minus before a term leaves out; behind -- if it comes first."`
	Looks bool     `help:"Also requests by which somebody only looked at the trail."`
}

// filter reads the query. A query that chooses the type trail is about what
// happened to the trail itself, which is left out otherwise.
func (q *Query) filter() (trail.Filter, error) {
	f, err := query.Parse(q.text())
	if err != nil {
		return trail.Filter{}, usage("query: %w", err)
	}
	f.Looks = f.Looks || q.Looks
	return f, nil
}

// text is the query as it would stand in the search box.
func (q *Query) text() string { return strings.Join(q.Query, " ") }

// onlyTrail chooses what happened to the trail itself.
func onlyTrail() trail.Filter {
	return trail.Filter{Only: trail.Conditions{Types: []adminsessions.Type{adminsessions.Trail}}}
}
