package cli

import (
	"strings"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/internal/trail/query"
)

// Query is what is searched for.
type Query struct {
	Query []string `arg:"" optional:"" help:"What to search for: free text, as in the page's search box."`
	Looks bool     `help:"Also requests by which somebody only looked at the trail."`
}

// filter reads the query.
func (q *Query) filter() (trail.Filter, error) {
	f, err := query.Parse(strings.Join(q.Query, " "))
	if err != nil {
		return trail.Filter{}, usage("query: %w", err)
	}
	f.Looks = f.Looks || q.Looks
	return f, nil
}

// onlyTrail chooses what happened to the trail itself.
func onlyTrail() trail.Filter {
	return trail.Filter{Only: trail.Conditions{Types: []adminsessions.Type{adminsessions.Trail}}}
}
