package trail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
)

// Session is what somebody has done in one session of the panel, as far as the
// filter chooses it.
type Session struct {
	ID string // the hash that stands in the trail
	// Admins are who was signed in, the most recent first: nobody, usually one,
	// and more where a session has changed hands.
	Admins []adminsessions.User
	// Addresses and Agents are where from and with which programs, the most recent
	// and the most used first.
	Addresses, Agents []string
	Types             []adminsessions.Type
	First, Last       time.Time
	// Requests is how many have ended.
	Requests int64
}

// Sessions are some sessions, the most recently active first.
type Sessions struct {
	List []Session
	// Reached, unless zero, is how far back was looked: there was more than could
	// be shown, or no time left. What the sessions did before is not in them.
	Reached time.Time
}

const (
	// MaxSessions is how many sessions are looked for.
	MaxSessions = 1000

	sessionsSlice    = 24 * time.Hour
	minSessionsSlice = time.Minute
)

// Sessions returns the sessions of the requests that f chooses in the window, whose
// ends must be whole milliseconds. It goes back through it in slices of time, for
// three quarters of the time that ctx allows, until it has found more than
// MaxSessions. A slice that is too much for Loki is asked for in halves.
func (s *Store) Sessions(ctx context.Context, f Filter, w Window) (Sessions, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)*3/4)
		defer cancel()
	}
	found := make(map[string]*sessionParts)
	var result Sessions
	slice := sessionsSlice
	for to := w.To; to.After(w.From); {
		from := to.Add(-slice)
		if from.Before(w.From) {
			from = w.From
		}
		err := s.sessions(ctx, f, Window{from, to}, found)
		if isTooMuch(err) && ctx.Err() == nil && to.Sub(from) > minSessionsSlice {
			slice = max(minSessionsSlice, (to.Sub(from) / 2).Truncate(time.Millisecond))
			continue
		}
		if OutOfTime(ctx, err) && to.Before(w.To) {
			result.Reached = to
			break
		}
		if err != nil {
			return Sessions{}, err
		}
		if to = from; len(found) > MaxSessions && to.After(w.From) {
			result.Reached = to
			break
		}
		slice = min(sessionsSlice, 2*slice)
	}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		result.List = append(result.List, found[id].session(decodeWord(id)))
	}
	slices.SortStableFunc(result.List, func(a, b Session) int { return b.Last.Compare(a.Last) })
	return result, nil
}

// isTooMuch reports whether Loki could answer about less: it has a limit on how
// many series an answer may have.
func isTooMuch(err error) bool {
	failure, ok := errors.AsType[*loki.Error](err)
	return ok && failure.Kind == loki.TooBroad
}

// sessions adds what is known of sessions in the window. Nothing is added if
// something can't be had.
func (s *Store) sessions(ctx context.Context, f Filter, w Window, found map[string]*sessionParts) error {
	length := fmt.Sprintf("%dms", w.Length().Milliseconds())
	counts, err := s.client.Instant(ctx, s.sessionCountsQL(f, length), w.To.Add(-1))
	if err != nil {
		return err
	}
	last, err := s.client.Instant(ctx, s.sessionSeenQL(f, "max", length), w.To.Add(-1))
	if err != nil {
		return err
	}
	first, err := s.client.Instant(ctx, s.sessionSeenQL(f, "min", length), w.To.Add(-1))
	if err != nil {
		return err
	}
	for _, sample := range last {
		if !s.scope.allowsUser(userOf(sample.Labels)) {
			continue
		}
		id := sample.Labels[sessionLabel]
		if found[id] == nil {
			found[id] = newSessionParts()
		}
		found[id].saw(sample.Labels, time.UnixMilli(int64(sample.Value)))
	}
	for _, sample := range first {
		p, at := found[sample.Labels[sessionLabel]], time.UnixMilli(int64(sample.Value))
		if p != nil && (p.first.IsZero() || at.Before(p.first)) {
			p.first = at
		}
	}
	for _, sample := range counts {
		if p := found[sample.Labels[sessionLabel]]; p != nil && s.scope.allowsUser(userOf(sample.Labels)) {
			p.counted(sample.Labels, int64(sample.Value))
		}
	}
	return nil
}

// sessionLabel is the label of the session.
const sessionLabel = captured + "session"

// onlySessions wants requests of a session, of lines that are events for sure:
// Loki fails a query with a label that holds U+FFFD, which no line of ours does.
func (e *expression) onlySessions() {
	e.lines.WriteString(` != "\uFFFD"`)
	session := e.session()
	e.where(session + `!=""`)
	e.where(session + `!="-"`)
}

// sessionCountsQL is how many requests of each session have ended, by who made
// them, with what.
func (s *Store) sessionCountsQL(f Filter, length string) string {
	e := s.expression(f, ended)
	email, id := e.word("email"), e.word("id")
	e.onlySessions()
	e.labels = append(e.labels, "logfmt")
	return fmt.Sprintf("sum by (%s, %s, %s, name, ua) (count_over_time(%s [%s]))", sessionLabel, email, id, e.metric(), length)
}

// sessionSeenQL is when each session was first or last seen, by who, from where
// and how.
func (s *Store) sessionSeenQL(f Filter, which, length string) string {
	e := s.expression(f, anyStage)
	by := []string{sessionLabel}
	if which == "max" {
		for _, word := range []string{"email", "id", "ip", "type"} {
			by = append(by, e.word(word))
		}
	}
	e.onlySessions()
	e.labels = append(e.labels, "label_format seen="+quote("{{ __timestamp__ | unixEpochMillis }}"), "unwrap seen")
	return fmt.Sprintf("%s_over_time(%s [%s]) by (%s)", which, e.metric(), length, strings.Join(by, ", "))
}

func userOf(labels map[string]string) adminsessions.User {
	return adminsessions.User{ID: decodeWord(labels[captured+"id"]), Email: decodeWord(labels[captured+"email"]), FullName: labels["name"]}
}

// sessionParts is what was found of a session so far.
type sessionParts struct {
	requests    int64
	first, last time.Time
	users       map[string]*seenUser // by what tells them apart
	addresses   map[string]time.Time
	types       map[adminsessions.Type]bool
	agents      map[string]int64
}

// seenUser is somebody in a session. Names are told by another answer than when he
// was seen.
type seenUser struct {
	adminsessions.User
	last time.Time
}

func newSessionParts() *sessionParts {
	return &sessionParts{users: make(map[string]*seenUser), addresses: make(map[string]time.Time),
		types: make(map[adminsessions.Type]bool), agents: make(map[string]int64)}
}

// user is who u is in this session, nil for nobody. An account is told from others
// by its id.
func (p *sessionParts) user(u adminsessions.User) *seenUser {
	key := cmp.Or(u.ID, u.Email)
	if key == "" {
		return nil
	}
	known, ok := p.users[key]
	if !ok {
		known = &seenUser{User: u}
		p.users[key] = known
	}
	known.Email, known.FullName = cmp.Or(known.Email, u.Email), cmp.Or(known.FullName, u.FullName)
	return known
}

func (p *sessionParts) saw(labels map[string]string, at time.Time) {
	if at.After(p.last) {
		p.last = at
	}
	if u := p.user(userOf(labels)); u != nil && at.After(u.last) {
		u.last = at
	}
	if ip := decodeWord(labels[captured+"ip"]); ip != "" && at.After(p.addresses[ip]) {
		p.addresses[ip] = at
	}
	if t := decodeWord(labels[captured+"type"]); t != "" {
		p.types[adminsessions.Type(t)] = true
	}
}

func (p *sessionParts) counted(labels map[string]string, n int64) {
	p.requests += n
	p.user(userOf(labels))
	if agent := labels["ua"]; agent != "" {
		p.agents[agent] += n
	}
}

// session is what the parts come to.
func (p *sessionParts) session(id string) Session {
	s := Session{ID: id, First: p.first, Last: p.last, Requests: p.requests, Types: slices.Sorted(maps.Keys(p.types))}
	users := slices.SortedFunc(maps.Values(p.users), func(a, b *seenUser) int {
		return cmp.Or(b.last.Compare(a.last), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Email, b.Email))
	})
	for _, u := range users {
		s.Admins = append(s.Admins, u.User)
	}
	s.Addresses = slices.SortedFunc(maps.Keys(p.addresses), func(a, b string) int {
		return cmp.Or(p.addresses[b].Compare(p.addresses[a]), cmp.Compare(a, b))
	})
	s.Agents = slices.SortedFunc(maps.Keys(p.agents), func(a, b string) int {
		return cmp.Or(cmp.Compare(p.agents[b], p.agents[a]), cmp.Compare(a, b))
	})
	return s
}

// Session is one session, by the newest most of its requests in the window. The zero
// Session means that there is none.
func (s *Store) Session(ctx context.Context, id string, w Window, most int) (Session, error) {
	parts := newSessionParts()
	n := 0
	for e, err := range s.Walk(ctx, Walk{Filter: Filter{Only: Conditions{Sessions: []string{id}}, Looks: true}, Window: w, Batch: most + 1}) {
		if err != nil {
			return Session{}, err
		}
		if n++; n > most {
			break
		}
		parts.add(&e)
	}
	if n == 0 {
		return Session{}, nil
	}
	return parts.session(id), nil
}

// add adds one request.
func (p *sessionParts) add(e *Event) {
	if p.first.IsZero() || e.Time.Before(p.first) {
		p.first = e.Time
	}
	if e.Time.After(p.last) {
		p.last = e.Time
	}
	if u := p.user(e.User); u != nil && e.Time.After(u.last) {
		u.last = e.Time
	}
	if e.ClientAddress.IsValid() && e.Time.After(p.addresses[e.ClientAddress.String()]) {
		p.addresses[e.ClientAddress.String()] = e.Time
	}
	p.types[e.Type] = true
	if e.UserAgent != "" {
		p.agents[e.UserAgent]++
	}
	if !e.InProgress() {
		p.requests++
	}
}
