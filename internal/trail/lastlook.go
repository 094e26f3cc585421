package trail

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// LastLook returns when there was last a look at the trail, in the window, before
// the visit that now goes on: looks that follow each other within gap are one visit.
// It is zero if there is none, or more in this visit than one answer of Loki holds.
func (s *Store) LastLook(ctx context.Context, w Window, now time.Time, gap time.Duration) (time.Time, error) {
	paths := s.paths()
	walk := Walk{Window: w, Batch: MaxBatch, Filter: Filter{Looks: true,
		Only: Conditions{Texts: []string{LookNote}, Methods: []string{http.MethodGet}}}}
	last, looked := now, 0
	for e, err := range s.Walk(ctx, walk) {
		if err != nil {
			return time.Time{}, err
		}
		if looked++; looked == MaxBatch {
			break
		}
		if !e.showedSomething(paths) {
			continue
		}
		if last.Sub(e.Time) > gap {
			return e.Time, nil
		}
		last = e.Time
	}
	return time.Time{}, nil
}

// nothingSeen are beginnings of what the page writes behind [LookNote] where it has
// shown no events.
var nothingSeen = []string{"nothing shown", "refused", "headers only", "led to", "asked before"}

// showedSomething reports whether the event is a look at the trail, at one of the
// page's paths, that was answered with events.
func (e *Event) showedSomething(paths []string) bool {
	what, ok := strings.CutPrefix(e.Note, LookNote)
	if !ok || e.StatusCode != http.StatusOK {
		return false
	}
	for _, nothing := range nothingSeen {
		if strings.HasPrefix(what, nothing) {
			return false
		}
	}
	u, err := url.Parse(e.URL)
	if err != nil {
		return false
	}
	path := strings.TrimPrefix(u.Path, "/")
	for _, p := range paths {
		if path == p || strings.HasSuffix(p, "/") && strings.HasPrefix(path, p) {
			return true
		}
	}
	return len(paths) == 0
}
