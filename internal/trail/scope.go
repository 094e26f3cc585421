package trail

import (
	"fmt"
	"slices"
	"strings"

	"github.com/adminsessions/adminsessions"
)

// Scope is the part of the trail that somebody may see. A [Store] shows nothing
// else. The zero Scope is nothing. What several fields allow is joined by "or".
type Scope struct {
	// All is the whole trail, and what happens to the trail itself.
	All bool
	// Tenants are the tenants whose events may be seen: those that say one of
	// them, exactly.
	Tenants []string
	// Own is an administrator whose events may be seen: those with the same id,
	// exactly, or, where the event or Own has no id, with the same e-mail address,
	// exactly.
	Own adminsessions.User
}

// MaxTenants is how many tenants a scope can have: each stands in every query.
const MaxTenants = 200

// IsZero reports whether nothing may be seen.
func (s *Scope) IsZero() bool {
	return !s.All && len(s.Tenants) == 0 && s.Own.ID == "" && s.Own.Email == ""
}

// Check returns an error if the scope can't be told from another one by what
// stands in the trail. Values that are empty, too long for a line or not clean
// UTF-8 would be taken for others there.
func (s *Scope) Check() error {
	if s.All {
		return nil
	}
	if len(s.Tenants) > MaxTenants {
		return fmt.Errorf("%d tenants, want at most %d; who may see more may see all", len(s.Tenants), MaxTenants)
	}
	for _, tenant := range s.Tenants {
		e := adminsessions.Event{Actor: adminsessions.Actor{TenantID: tenant}}
		if tenant == "" || tenant[0] == ' ' || !survives(&e) {
			return fmt.Errorf("tenant %.60q: want a text that stands in the trail as it is: not empty, without a space before it, short and clean", tenant)
		}
	}
	e := adminsessions.Event{User: adminsessions.User{ID: s.Own.ID, Email: s.Own.Email}}
	if !survives(&e) {
		return fmt.Errorf("own id %.60q, e-mail address %.60q: want texts that stand in the trail as they are: short and clean", s.Own.ID, s.Own.Email)
	}
	return nil
}

// survives reports whether what e says of tenant and user can be read from its
// line as it was.
func survives(e *adminsessions.Event) bool {
	read, err := adminsessions.ParseLine(e.Line())
	return err == nil && read.Actor == e.Actor && read.User == e.User
}

// Key names the scope, for what is remembered of answers: two scopes have the
// same key only if they may see the same.
func (s *Scope) Key() string {
	if s.All {
		return "all"
	}
	tenants := slices.Clone(s.Tenants)
	slices.Sort(tenants)
	return fmt.Sprintf("%q %q %q", slices.Compact(tenants), s.Own.ID, s.Own.Email)
}

// allows reports whether the event may be seen. What a query chooses is looked at
// once more with it: an answer of Loki is no reason to show somebody's events.
func (s *Scope) allows(e *Event) bool {
	if s.All {
		return true
	}
	if e.Unreadable {
		return e.Labels == nil // no entry of Loki's: it stands for more of what may be seen
	}
	if e.Type == adminsessions.Trail {
		return false
	}
	return e.Actor.TenantID != "" && slices.Contains(s.Tenants, e.Actor.TenantID) || s.isOwn(e.User)
}

// allowsUser reports whether what u has done may be within the scope: what is
// known of u alone.
func (s *Scope) allowsUser(u adminsessions.User) bool {
	return s.All || len(s.Tenants) > 0 || s.isOwn(u)
}

// isOwn reports whether u is who sees his own.
func (s *Scope) isOwn(u adminsessions.User) bool {
	if s.Own.ID != "" && u.ID != "" {
		return u.ID == s.Own.ID
	}
	return s.Own.Email != "" && u.Email == s.Own.Email
}

// show takes out of an event what says something of those beside it that may not
// be seen: its number in its log tells how many there are.
func (s *Scope) show(e *Event) {
	if s.All {
		return
	}
	e.Sequence = 0
	e.Line = withoutNumber(e.Line)
}

// scope lets through what a scope allows, and nothing else.
func (e *expression) scope(s *Scope) {
	if s.All {
		return
	}
	// Lines of others that are no event's are in no scope.
	e.contains("\tsession=")
	tenants := make([]string, len(s.Tenants))
	for i, t := range s.Tenants {
		tenants[i] = quote(tenantText(t))
	}
	hints, own := e.own(s.Own)
	if hints = append(hints, tenants...); len(hints) > 0 {
		e.lines.WriteString(" |= " + strings.Join(hints, " or "))
	}
	e.where(e.word("type") + "!~" + quote("(?i)"+string(adminsessions.Trail)))
	switch {
	case len(own) == 0 && len(tenants) == 0:
		e.where(e.word("type") + `=""`) // nothing: every line has one
	case len(own) == 0:
		// The line filter is exact.
	case len(tenants) == 0:
		e.where(strings.Join(own, " or "))
	default:
		const isTenant = captured + "tenant"
		e.labels = append(e.labels, "label_format "+isTenant+"="+quote("{{ or (contains "+strings.Join(tenants, " __line__) (contains ")+" __line__) }}"))
		e.where(strings.Join(own, " or ") + " or " + isTenant + `="true"`)
		e.dropped = append(e.dropped, isTenant)
	}
}

// own are conditions of which an event of u's meets one, and hints before them.
func (e *expression) own(u adminsessions.User) (hints, conditions []string) {
	id, email := quote(encodeWord(u.ID)), quote(encodeWord(u.Email))
	if u.ID != "" {
		hints = append(hints, quote(" id="+encodeWord(u.ID)+" action="))
		conditions = append(conditions, e.word("id")+"="+id)
	}
	if u.Email != "" {
		hints = append(hints, quote(" email="+encodeWord(u.Email)+" ip="))
		condition := e.word("email") + "=" + email
		if u.ID != "" {
			condition = "(" + e.word("id") + `="-" and ` + condition + ")"
		}
		conditions = append(conditions, condition)
	}
	return hints, conditions
}

// tenantText is how a line says a tenant. It stands in no other line: within a
// text the quote is escaped, in a word it can't occur, and behind the quote that
// ends a text a space or a TAB follows, with which no tenant of a scope begins.
func tenantText(tenant string) string {
	line := (&adminsessions.Event{Actor: adminsessions.Actor{TenantID: tenant}}).Line()
	people, _, _ := strings.Cut(line, "\t")
	return people[strings.Index(people, " tenant="):]
}
