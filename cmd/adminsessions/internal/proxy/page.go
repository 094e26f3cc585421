package proxy

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/viewer"
)

// newPage is the Admin Sessions page for those whom the configuration lets in.
func newPage(g *generation) (http.Handler, error) {
	c := &g.config
	config := viewer.Config{
		Loki: c.lokiSettings(), Prefix: c.Page.Path,
		Services:  []string{c.Service.Name},
		Authorize: g.authorize,
		SignedIn: func(r *http.Request) adminsessions.User {
			v := visitOf(r)
			if v.who.pending {
				return adminsessions.User{}
			}
			return v.who.user
		},
		Accessed: func(ctx context.Context, note string) { instrumentation.Annotate(ctx, note) },
		Logger:   g.logger,
	}
	if c.Service.Environment != "" {
		config.Environments = []string{c.Service.Environment}
	}
	return viewer.NewHandler(config)
}

// authorize says what whoever sends a request may see of the trail. Whom several
// entries mean may see what any of them allows.
func (g *generation) authorize(r *http.Request) viewer.Scope {
	who := visitOf(r).who
	if who.isZero() || who.pending {
		return viewer.Scope{}
	}
	var scope viewer.Scope
	found, export := false, false
	for i := range g.config.Page.Viewers {
		v := &g.config.Page.Viewers[i]
		if !v.means(who.user) {
			continue
		}
		found = true
		export = export || v.Export == nil || *v.Export
		if v.Own {
			scope.Own = who.user
		}
		scope.Tenants = append(scope.Tenants, v.Tenants...)
		scope.All = scope.All || !v.Own && len(v.Tenants) == 0
	}
	scope.NoExport = found && !export
	return scope
}

// means reports whether an entry means somebody.
func (v *Viewer) means(u adminsessions.User) bool {
	if u.ID != "" && slices.Contains(v.IDs, u.ID) {
		return true
	}
	email := strings.ToLower(u.Email)
	return email != "" && slices.ContainsFunc(v.Emails, func(e string) bool {
		e = strings.ToLower(e)
		if domain, ok := strings.CutPrefix(e, "*"); ok {
			return strings.HasSuffix(email, domain) && strings.Count(email, "@") == 1
		}
		return e == email
	})
}
