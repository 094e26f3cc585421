package cli

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

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
	if n := len(q.text()); n > maxQuery {
		return trail.Filter{}, usage("query: %d bytes; want at most %d", n, maxQuery)
	}
	f, err := query.Parse(q.text())
	if err != nil {
		return trail.Filter{}, usage("query: %w", err)
	}
	f.Looks = f.Looks || q.Looks
	return f, nil
}

// maxQuery is how long a query may be, in bytes.
const maxQuery = 2048

// text is the query as it would stand in the search box.
func (q *Query) text() string { return strings.Join(q.Query, " ") }

// question reads what is asked of the trail: of which events, of what time, and where.
func question(w *World, q *Query, r *Range, zone *time.Location, t *Trail) (store *trail.Store, f trail.Filter, window trail.Window, err error) {
	if f, err = q.filter(); err != nil {
		return nil, f, window, err
	}
	if window, err = r.window(w, zone); err != nil {
		return nil, f, window, err
	}
	store, _, err = t.store(w)
	return store, f, window, err
}

// onlyTrail chooses what happened to the trail itself.
func onlyTrail() trail.Filter {
	return trail.Filter{Only: trail.Conditions{Types: []adminsessions.Type{adminsessions.Trail}}}
}

// minusTerm is a term of a query that leaves out, which is taken for a flag.
var minusTerm = regexp.MustCompile(`^-[a-z]+:`)

// WithHint is the error of a command line with what may help.
func WithHint(args []string, err error) error {
	if i := slices.IndexFunc(args, minusTerm.MatchString); i >= 0 && !slices.Contains(args[:i], "--") {
		return fmt.Errorf("%w; a query that begins with a minus stands behind --: -- %s", err, visible(args[i]))
	}
	return err
}
