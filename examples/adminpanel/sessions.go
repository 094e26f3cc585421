package main

import (
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
)

// A session ends this long after its last request.
const sessionIdle = 8 * time.Hour

// sessionCookie carries the session's secret.
const sessionCookie = "panel_session"

// sessions are the signed-in browsers. They live in memory: after a restart
// everybody signs in again.
type sessions struct {
	now func() time.Time
	key []byte // of their hashes in the trail

	mu     sync.Mutex
	active map[[sha256.Size]byte]*session // by the secret's hash
}

type session struct {
	account *account
	seen    time.Time
	trailID string // what the trail calls it
}

func newSessions(now func() time.Time, key []byte) *sessions {
	return &sessions{now: now, key: key, active: make(map[[sha256.Size]byte]*session)}
}

// start signs an account in and returns the secret for its cookie.
func (s *sessions) start(a *account) (secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for key, session := range s.active {
		if now.Sub(session.seen) > sessionIdle {
			delete(s.active, key)
		}
	}
	secret = rand.Text()
	s.active[sha256.Sum256([]byte(secret))] = &session{account: a, seen: now, trailID: instrumentation.SessionHash(s.key, secret)}
	return secret
}

// account returns who a secret signs in, or nil.
func (s *sessions) account(secret string) *account {
	s.mu.Lock()
	defer s.mu.Unlock()
	session, ok := s.active[sha256.Sum256([]byte(secret))]
	now := s.now()
	if !ok || now.Sub(session.seen) > sessionIdle {
		return nil
	}
	session.seen = now
	return session.account
}

// end signs out.
func (s *sessions) end(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.active, sha256.Sum256([]byte(secret)))
}

// tokens are the API's bearer tokens, in memory as well.
type tokens struct {
	now func() time.Time

	mu  sync.Mutex
	all []*token
}

// A token lets a program act as its owner.
type token struct {
	ID      string
	Label   string
	Owner   *account
	Created time.Time
	Actor   adminsessions.ActorType // what it is given to, unless to the owner
	hash    [sha256.Size]byte
}

func (t *token) resource() adminsessions.Resource {
	return adminsessions.Resource{ID: t.ID, Name: t.Label}
}

func newTokens(now func() time.Time) *tokens { return &tokens{now: now} }

// add lets whoever has secret act as owner.
func (t *tokens) add(owner *account, label, secret string, actor adminsessions.ActorType) *token {
	t.mu.Lock()
	defer t.mu.Unlock()
	made := &token{
		ID: strings.ToLower(rand.Text()[:8]), Label: label, Owner: owner,
		Created: t.now(), Actor: actor, hash: sha256.Sum256([]byte(secret)),
	}
	t.all = append(t.all, made)
	return made
}

// find returns the token of a secret, or nil.
func (t *tokens) find(secret string) *token {
	hash := sha256.Sum256([]byte(secret))
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, token := range t.all {
		if token.hash == hash {
			return token
		}
	}
	return nil
}

// of lists an account's tokens, newest first.
func (t *tokens) of(owner *account) []*token {
	t.mu.Lock()
	defer t.mu.Unlock()
	var own []*token
	for _, token := range slices.Backward(t.all) {
		if token.Owner == owner {
			own = append(own, token)
		}
	}
	return own
}

// revoke ends one of the owner's tokens and returns it, nil if there is none.
func (t *tokens) revoke(owner *account, id string) *token {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := slices.IndexFunc(t.all, func(token *token) bool { return token.Owner == owner && token.ID == id })
	if at < 0 {
		return nil
	}
	revoked := t.all[at]
	t.all = slices.Delete(t.all, at, at+1)
	return revoked
}
