package instrumentation

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"runtime"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/counters"
	"github.com/adminsessions/adminsessions/internal/panics"
	"github.com/adminsessions/adminsessions/internal/text"
)

// What a middleware records, and what it leaves out, is itself on record: whoever
// can change it could otherwise look away unseen. When one is made whose policy is
// not the one that the trail told last, that is an event of the trail's own life.

const policyChanged = "trail.policy_changed"

// policyRecorder is a Sink that knows which policy it has recorded last.
type policyRecorder interface {
	RecordPolicy(ctx context.Context, e *adminsessions.Event, digest string) error
}

// policyItem is a part of the policy: its name, and in words what it is.
type policyItem struct{ name, words string }

// recordPolicy records the policy, if the provider takes events directly.
func (m *middleware) recordPolicy() {
	sink := m.destination.sink
	if sink == nil {
		return
	}
	items := m.policy()
	e := policyEvent(items)
	e.Time = m.now().UTC()
	var err error
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the provider panicked: %s", panics.Type(v))
		}
		if err != nil {
			m.metrics.Lost[counters.LostSink].Add(1)
			m.logger.Error("what is recorded is not itself on record", "error", err)
		}
	}()
	if keeper, ok := sink.(policyRecorder); ok {
		err = keeper.RecordPolicy(context.Background(), e, digestOf(items))
		return
	}
	err = sink.RecordEvent(context.Background(), e, adminsessions.Spooled)
}

func policyEvent(items []policyItem) *adminsessions.Event {
	e := &adminsessions.Event{
		Type: adminsessions.Trail, Stage: adminsessions.Complete, Action: policyChanged, Outcome: adminsessions.OutcomeSuccess,
		Actor:     adminsessions.Actor{Type: adminsessions.ActorSystem},
		RequestID: string(appendRequestID(nil)),
	}
	var note strings.Builder
	note.WriteString("what is recorded: every request")
	for _, item := range items {
		note.WriteString("; " + strings.ReplaceAll(item.name, "_", " ") + ": " + item.words)
		field := attributeField("policy."+item.name, adminsessions.MaxAttributeBytes)
		words, cut := text.Clean(item.words, field.limit)
		if cut {
			markCut(e, field.name)
		}
		e.Attributes = append(e.Attributes, attribute.String("policy."+item.name, words))
	}
	e.Attributes = append(e.Attributes, attribute.String("policy.digest", digestOf(items)))
	var cut bool
	if e.Note, cut = text.Clean(note.String(), fieldNote.limit); cut {
		markCut(e, fieldNote.name)
	}
	return e
}

// digestOf tells two policies apart.
func digestOf(items []policyItem) string {
	h := sha256.New()
	for _, item := range items {
		fmt.Fprintf(h, "%q=%q\n", item.name, item.words) // a hash never fails
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// policy is what the options come to. What is said is as it was given; what keys
// and functions do can't be.
func (c *config) policy() []policyItem {
	var items []policyItem
	add := func(name, words string) {
		if words != "" {
			items = append(items, policyItem{name, words})
		}
	}
	var filters []string
	for _, f := range c.filters {
		filters = append(filters, f.name+" ("+f.inWords()+")")
	}
	add("left_out", strings.Join(filters, ", "))
	add("strict", rulesInWords(c.strict))
	add("reason_required", rulesInWords(c.reasons))
	add("hidden_names", strings.Join(c.hiddenNames, ", "))
	add("shown_names", strings.Join(c.shownNames, ", "))
	add("hidden_paths", strings.Join(c.hiddenPaths, ", "))
	if c.rules != nil {
		add("rules_from", c.rules.Source)
		add("rules", c.rules.inWords())
	}
	var headers, fields []string
	for _, h := range c.headers {
		headers = append(headers, h.name)
	}
	for _, f := range c.formFields {
		fields = append(fields, f.name)
	}
	add("headers", strings.Join(headers, ", "))
	add("form_fields", strings.Join(fields, ", "))
	var bodyFields []string
	for _, f := range c.bodyFields {
		bodyFields = append(bodyFields, strings.Join(f.path, "."))
	}
	add("body_fields", strings.Join(bodyFields, ", "))
	if c.bodyHash {
		add("body_sha256", "of every body")
	}
	add("client_address", c.proxies.inWords())
	if c.truncation != (truncation{}) {
		add("addresses_cut_to", fmt.Sprintf("/%d and /%d", c.truncation.v4, c.truncation.v6))
	}
	add("admin", functionName(c.admin))
	add("actor", functionName(c.actor))
	add("type", functionName(c.typeOf))
	add("geo", functionName(c.geo))
	add("actions", functionName(c.actions))
	if c.session != nil {
		add("session", functionName(c.session.id))
	}
	add("request_id_header", cmp.Or(c.requestIDHeader, "none"))
	add("started_after", c.startedAfter.String())
	add("strict_timeout", c.strictTimeout.String())
	add("anonymous_limit", strconv.Itoa(c.anonymousLimit))
	return items
}

func rulesInWords(rules []Rule) string {
	var words []string
	for i := range rules {
		words = append(words, rules[i].inWords())
	}
	return strings.Join(words, ", ")
}

// inWords is the rule: its patterns, or the name of its function.
func (r *Rule) inWords() string {
	if r.when != nil {
		return functionName(r.when)
	}
	return strings.Join(r.patterns, ", ")
}

func (p *proxies) inWords() string {
	var words []string
	if p.header != "" {
		words = append(words, string(p.header))
	}
	if p.function != nil {
		words = append(words, functionName(p.function))
	}
	if len(words) == 0 {
		return "the peer's"
	}
	var from []string
	for _, prefix := range p.prefixes {
		from = append(from, prefix.String())
	}
	if p.unixSocket {
		from = append(from, "a Unix socket")
	}
	words = append(words, "believed of "+strings.Join(from, ", "))
	if p.hops > 0 {
		words = append(words, fmt.Sprintf("%d hops", p.hops))
	}
	if p.prefix {
		words = append(words, "with X-Forwarded-Prefix")
	}
	return strings.Join(words, " ")
}

// functionName is the name of a function in its program, or "" of nil.
func functionName(f any) string {
	v := reflect.ValueOf(f)
	if !v.IsValid() || v.Kind() != reflect.Func || v.IsNil() {
		return ""
	}
	if fn := runtime.FuncForPC(v.Pointer()); fn != nil {
		return "function " + fn.Name()
	}
	return "a function"
}
