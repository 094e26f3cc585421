package proxy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/adminsessions/adminsessions"
)

// Bounds of lookups.
const (
	maxSessions     = 10_000 // whose answers are kept
	maxLookups      = 32     // under way at once
	maxLookupAnswer = 1 << 20
	nobodyHolds     = 5 * time.Second // how long an answer holds that nobody is signed in
	circuitAfter    = 5               // failures in a row, until the panel is left alone
	circuitHolds    = 10 * time.Second
)

// lookup asks the panel who is signed in, with the request's own cookie, and
// keeps the answer for the session.
type lookup struct {
	config  *Lookup
	trusts  func(*http.Request) bool // that it comes from a trusted proxy
	count   func(result string)
	now     func() time.Time
	running chan struct{} // holds a token for each lookup under way

	mu sync.Mutex
	// known are the sessions of somebody. Those of nobody, and those that are being
	// asked for, stand by themselves: cookies that strangers make up push nobody out.
	known, others *lru.Cache[sessionKey, *answer]
	failures      int       // in a row
	closed        time.Time // the panel is not asked before
}

// sessionKey is a hash of what a session is known by: cookies are not kept.
type sessionKey [sha256.Size]byte

// answer is what the panel says of a session, once ready is closed.
type answer struct {
	ready chan struct{}
	who   identity
	until time.Time // guarded by the lookup's mu
}

// Results of lookups, as they are counted.
const (
	lookupKept    = "kept"    // the answer was there
	lookupKnown   = "known"   // the panel said who it is
	lookupNobody  = "nobody"  // the panel said that nobody is signed in
	lookupFailed  = "failed"  // the panel did not answer, or not so that it could be read
	lookupLate    = "late"    // the request did not wait any longer
	lookupRefused = "refused" // too many under way, or too many have failed
)

func lookupResults() []string {
	return []string{lookupKept, lookupKnown, lookupNobody, lookupFailed, lookupLate, lookupRefused}
}

func newLookup(c *Lookup, trusts func(*http.Request) bool, count func(string)) (*lookup, error) {
	known, err := lru.New[sessionKey, *answer](maxSessions)
	if err != nil {
		return nil, err
	}
	others, err := lru.New[sessionKey, *answer](maxSessions)
	if err != nil {
		return nil, err
	}
	return &lookup{config: c, trusts: trusts, count: count, now: time.Now, known: known, others: others, running: make(chan struct{}, maxLookups)}, nil
}

// key is that of the request's session, at the panel that it is for.
func (l *lookup) key(panel *upstream, r *http.Request) (key sessionKey, ok bool) {
	h := sha256.New()
	fmt.Fprintf(h, "%p\x00%s\x00", panel, r.Host)
	for _, c := range cookiesOf(r, l.config.Cookies) {
		fmt.Fprintf(h, "%q;", c)
		ok = true
	}
	if l.config.Authorization {
		for _, v := range r.Header["Authorization"] {
			fmt.Fprintf(h, "%q,", v)
			ok = true
		}
	}
	h.Sum(key[:0])
	return key, ok
}

func (l *lookup) identify(r *http.Request) identity {
	v := visitOf(r)
	if v.panel == nil {
		return identity{}
	}
	key, ok := l.key(v.panel, r)
	if !ok {
		return identity{} // no session
	}
	v.session, v.hasSession = key, true
	a, isNew, err := l.find(key)
	if err != nil {
		l.count(lookupRefused)
		return identity{unknown: "the panel was not asked: " + err.Error()}
	}
	if isNew {
		go l.ask(v.panel, l.question(v.panel, r), key, a) //nolint:gosec // it goes on for the requests that follow
	}
	timeout := time.NewTimer(l.config.Timeout)
	defer timeout.Stop()
	select {
	case <-a.ready:
		if !isNew {
			l.count(lookupKept)
		}
		return a.who
	case <-timeout.C:
	case <-r.Context().Done():
	}
	l.count(lookupLate)
	return identity{unknown: "the panel has not said in time who it is"}
}

// find returns the answer of a session. If it is a new one, the caller is to ask
// for it.
func (l *lookup) find(key sessionKey) (a *answer, isNew bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for _, answers := range []*lru.Cache[sessionKey, *answer]{l.known, l.others} {
		if a, ok := answers.Get(key); ok && (a.until.IsZero() || now.Before(a.until)) {
			return a, false, nil
		}
	}
	if now.Before(l.closed) {
		return nil, false, errors.New("it has failed to answer")
	}
	select {
	case l.running <- struct{}{}:
	default:
		return nil, false, errors.New("too many questions are under way")
	}
	a = &answer{ready: make(chan struct{})}
	l.known.Remove(key)
	l.others.Add(key, a)
	return a, true, nil
}

// question is the request to the panel.
func (l *lookup) question(panel *upstream, r *http.Request) *http.Request {
	path, query, _ := strings.Cut(l.config.URL, "?")
	q := (&http.Request{
		Method: http.MethodGet, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		URL: &url.URL{Scheme: panel.target.Scheme, Host: panel.target.Host, Path: path, RawQuery: query},
		Header: http.Header{
			"Accept":     {"application/json"},
			"User-Agent": {"adminsessions/" + adminsessions.Version},
		},
		Host: r.Host,
	})
	if panel.host != "" {
		q.Host = panel.host
	}
	joinPath(q, panel)
	if cookies := cookiesOf(r, l.config.Cookies); len(cookies) > 0 {
		q.Header.Set("Cookie", strings.Join(cookies, "; "))
	}
	if l.config.Authorization {
		q.Header["Authorization"] = slices.Clone(r.Header["Authorization"])
	}
	// Panels that hold a session to an address or a browser must see the same ones,
	// or they end it.
	if agent := r.Header["User-Agent"]; len(agent) > 0 {
		q.Header["User-Agent"] = slices.Clone(agent)
	}
	if l.trusts(r) {
		handOn(r, q)
	}
	forwarded(r, q)
	return q
}

// ask asks the panel. It goes on when the request does not wait any longer: the
// next one of the session has use for it.
func (l *lookup) ask(panel *upstream, q *http.Request, key sessionKey, a *answer) {
	ctx, cancel := context.WithTimeout(context.Background(), max(4*l.config.Timeout, time.Second))
	defer cancel()
	who, err := l.request(panel, q.WithContext(ctx))
	holds, result := l.config.TTL, lookupKnown
	switch {
	case err != nil:
		who, holds, result = identity{unknown: "the panel has not said who it is"}, nobodyHolds/5, lookupFailed
	case who.isZero():
		holds, result = min(holds, nobodyHolds), lookupNobody
	}
	l.count(result)
	l.mu.Lock()
	now := l.now()
	a.who, a.until = who, now.Add(holds)
	if kept, ok := l.others.Peek(key); ok && kept == a && !who.isZero() { // else it was forgotten meanwhile
		l.others.Remove(key)
		l.known.Add(key, a)
	}
	// Only a panel that does not answer is left alone: one stranger with a cookie on
	// which it stumbles must not hide who all the others are.
	if !errors.Is(err, errAway) {
		l.failures = 0
	} else if l.failures++; l.failures >= circuitAfter {
		l.closed = now.Add(circuitHolds)
	}
	l.mu.Unlock()
	close(a.ready)
	<-l.running
}

// errAway says that there is no panel that answers.
var errAway = errors.New("the panel is away")

func (l *lookup) request(panel *upstream, q *http.Request) (identity, error) {
	resp, err := panel.transport.RoundTrip(q)
	if err != nil {
		return identity{}, errors.Join(errAway, err)
	}
	defer resp.Body.Close()
	switch code := resp.StatusCode; {
	case code >= 300 && code < 400, code == 401, code == 403, code == 404, code == 204:
		return identity{}, nil
	case code == http.StatusBadGateway, code == http.StatusServiceUnavailable, code == http.StatusGatewayTimeout:
		return identity{}, errAway
	case code != http.StatusOK:
		return identity{}, fmt.Errorf("it answered %s", resp.Status)
	}
	v, err := decodeJSON(io.LimitReader(resp.Body, maxLookupAnswer))
	if err != nil {
		return identity{}, err
	}
	return l.config.Fields.identity(v), nil
}

// forget drops the answer for a session that a request has changed: it set the
// cookie, or tried to sign in.
func (l *lookup) forget(v *visit, resp *http.Response) {
	if !v.hasSession {
		return
	}
	sets := slices.ContainsFunc(resp.Cookies(), func(c *http.Cookie) bool { return slices.Contains(l.config.Cookies, c.Name) })
	if !sets && v.attempt == nil && resp.StatusCode != http.StatusUnauthorized {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known.Remove(v.session)
	l.others.Remove(v.session)
}
