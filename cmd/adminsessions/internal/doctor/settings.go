package doctor

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
)

// setting is one of Loki's settings, and what a value of it does to a trail.
type setting struct {
	path string
	// judge returns what a value does; "" for Effect means that all is well.
	judge func(v value, e *examination) (Effect, string)
	do    string // what to set, in deploy/loki
}

const (
	// batchBytes is the size of the exporter's batches.
	batchBytes = 2 << 20
	// drainBytes is the rate a second above which a backlog is not held up much.
	drainBytes = 16 << 20
	day        = 24 * time.Hour
	year       = 365 * day
)

// settings are those that a trail depends on: deploy/loki/README.md has the same.
func settings() []setting {
	const slowed = "a draining backlog is slowed down by 429"
	const stuck = "a push larger than that can never pass: the exporter's have up to 2 MiB"
	return []setting{
		{"limits_config.shard_streams.enabled", wants("false", Doubles, "a backlog that drains above 1.5 MB/s is split into shards; what is sent again after a lost answer then stands there twice, in lists, too"), "false"},
		{"ingester.wal.enabled", wants("true", Loses, "a Loki that is killed loses what it has acknowledged"), "true"},
		{"limits_config.deletion_mode", wants("disabled", Loses, "whoever reaches Loki's API deletes entries from the trail"), "disabled, unless you erase on request and keep the API to yourself"},
		{"limits_config.max_line_size_truncate", wants("false", Falsifies, "longer lines are cut by Loki"), "false"},
		{"limits_config.max_line_size", bytes(tier{adminsessions.MaxLineBytes, Loses, fmt.Sprintf("lines can have %d bytes: longer ones go to quarantine", adminsessions.MaxLineBytes)}), "256KB"},
		{"limits_config.max_label_names_per_series", number(tier{4, Loses, "a stream of the trail has four labels: Loki refuses all of it"}), "15"},
		{"limits_config.retention_period", retention, "as long as the trail is to be kept; 0 keeps it for ever"},
		{"limits_config.retention_stream", retentionRules, "no rule whose selector matches the trail"},
		{"limits_config.reject_old_samples_max_age", rejectOld, "the retention"},
		{"limits_config.max_global_streams_per_user", fine, "5000"},
		{"ingester.chunk_idle_period", fine, "2h"},
		{"ingester.wal.replay_memory_ceiling", fine, "512MB"},
		{"limits_config.ingestion_burst_size_mb", number(tier{batchBytes >> 20, Loses, stuck}, tier{16, Slows, slowed}), "128"},
		{"limits_config.ingestion_rate_mb", number(tier{drainBytes >> 20, Slows, slowed}), "64"},
		{"limits_config.per_stream_rate_limit_burst", bytes(tier{batchBytes, Loses, stuck}, tier{drainBytes, Slows, slowed}), "128MB"},
		{"limits_config.per_stream_rate_limit", bytes(tier{drainBytes, Slows, slowed}), "64MB"},
		{"server.grpc_server_max_recv_msg_size", bytes(tier{batchBytes + batchBytes/4, Loses, "batches of 2 MiB are refused with a bare 500"}), "67108864"},
		{queryLength, atLeast(year, Hides, "views, exports and counts over more time are refused"), "0s"},
		{"limits_config.max_query_lookback", atLeast(year, Hides, "what is older is not found, and nothing says so"), "0s"},
		{"limits_config.max_query_series", number(tier{5000, Hides, "counts by administrator and address over weeks fail with an error"}), "20000"},
		{"limits_config.max_entries_limit_per_query", number(tier{5000, Hides, "page, exports and this program ask for up to 5000 entries at a time, and are refused"}), "5000"},
		{"limits_config.max_query_bytes_read", bytes(tier{math.MaxInt64, Hides, "long searches are refused"}), "0"},
		{"querier.query_ingesters_within", atLeast(math.MaxInt64, Hides, "a backlog older than that can't be seen, and counts as missing, until its chunks are flushed"), "0"},
		{"ingester.query_store_max_look_back_period", ingestersTime, "-1ns, where Loki is one process"},
		{"ingester_client.pool_config.health_check_ingesters", healthChecks, "false, where Loki is one process; else ingester_client.pool_config.remote_timeout to 10s"},
		{"query_range.cache_results", wants("false", Hides, "counts, and the completeness check with them, go on showing what was there before a backlog arrived"), "false"},
		{"limits_config.split_queries_by_interval", atLeast(24*time.Hour, Slows, "questions over 30 days take about three times as long"), "24h"},
		{"limits_config.discover_log_levels", wants("false", Slows, "a label detected_level that says nothing: the line has its status"), "false"},
		{"analytics.reporting_enabled", wants("false", Slows, "Loki reports usage to its maker"), "false"},
	}
}

// healthChecks is of how long an ingester may take to say that it is well.
func healthChecks(v value, _ *examination) (Effect, string) {
	if d, ok := v.beside("ingester_client.pool_config.remote_timeout").duration(); v.isTrue() && ok && d < 10*time.Second {
		return Hides, "a Loki too busy to say that it is well closes its own connection: questions under way are answered with a part, and nothing says so"
	}
	return None, ""
}

// fine is the judge of a setting that only a large load minds: see demands.
func fine(value, *examination) (Effect, string) { return None, "" }

// tier is what a value below a limit does; 0 is no limit.
type tier struct {
	below  float64
	effect Effect
	why    string
}

func judge(n float64, ok bool, tiers []tier) (Effect, string) {
	for _, t := range tiers {
		if ok && n > 0 && n < t.below {
			return t.effect, t.why
		}
	}
	return None, ""
}

// number judges a number, bytes a size.
func number(tiers ...tier) func(value, *examination) (Effect, string) {
	return func(v value, _ *examination) (Effect, string) {
		n, ok := v.number()
		return judge(n, ok, tiers)
	}
}

func bytes(tiers ...tier) func(value, *examination) (Effect, string) {
	return func(v value, _ *examination) (Effect, string) {
		n, ok := v.bytes()
		return judge(float64(n), ok, tiers)
	}
}

func retentionRules(v value, _ *examination) (Effect, string) {
	if v.node != nil && len(v.node.Content) > 0 {
		return Unknown, "rules for single streams may keep the trail for less than the others"
	}
	return None, ""
}

func ingestersTime(v value, _ *examination) (Effect, string) {
	if d, ok := v.duration(); ok && d >= 0 {
		return Hides, "in one process a backlog older than the ingesters' time can't be seen until its chunks are flushed"
	}
	return None, ""
}

// wants is a judge that has one good value.
func wants(good string, effect Effect, why string) func(value, *examination) (Effect, string) {
	return func(v value, _ *examination) (Effect, string) {
		if v.node != nil && v.node.Value != good {
			return effect, why
		}
		return None, ""
	}
}

// atLeast is a judge of a duration of which 0 is no limit.
func atLeast(least time.Duration, effect Effect, why string) func(value, *examination) (Effect, string) {
	return func(v value, _ *examination) (Effect, string) {
		if d, ok := v.duration(); ok && d > 0 && d < least {
			return effect, why
		}
		return None, ""
	}
}

func retention(v value, e *examination) (Effect, string) {
	d, ok := v.duration()
	if enabled := v.beside("compactor.retention_enabled"); !ok || d == 0 || enabled.node != nil && !enabled.isTrue() {
		return None, "" // kept for ever
	}
	switch {
	case e.Keep > 0 && d < e.Keep:
		return Loses, "the trail is to be kept for " + e.Keep.String()
	case e.Keep == 0 && d < year:
		return Unknown, "what is older is deleted; PCI DSS, for one, wants a year"
	}
	return None, ""
}

// rejectOld is of how old an entry Loki takes. What is older is delivered with a
// time that Loki takes; its own stands in the line.
func rejectOld(v value, _ *examination) (Effect, string) {
	if enabled := v.beside("limits_config.reject_old_samples"); enabled.node != nil && !enabled.isTrue() {
		return None, ""
	}
	if d, ok := v.duration(); ok && d > 0 && d < 30*24*time.Hour {
		return Hides, "events of a panel that was cut off for longer get another time in Loki: a range does not find them where they belong"
	}
	return None, ""
}

// settings examines Loki's configuration, as far as it can be seen.
func (e *examination) settings(ctx context.Context) {
	limits, limitsErr := e.Client.Limits(ctx)
	b, err := e.Client.Config(ctx)
	var root yaml.Node
	if err == nil {
		err = yaml.Unmarshal(b, &root)
	}
	if err == nil && (len(root.Content) == 0 || find(root.Content[0], "limits_config") == nil) {
		err = fmt.Errorf("what it answers with is no configuration of Loki")
	}
	config := value{root: &root}
	if err != nil {
		config.root = &yaml.Node{}
		e.add(Finding{Of: "configuration", Effect: Unknown, Found: "can't be seen: " + said(err),
			Do: "run doctor where /config can be reached, or hold Loki's configuration against deploy/loki/README.md; --probe asks for some limits by pushes that Loki refuses"})
	} else {
		e.well("configuration", "seen at /config")
		if v := config.beside("runtime_config.file"); v.node != nil && v.node.Value != "" {
			e.add(Finding{Of: "runtime_config.file", Effect: Unknown, Found: v.node.Value,
				Why: "limits of single tenants stand there and are not seen here, but for those that Loki tells", Do: "look into it for this tenant"})
		}
	}
	if limitsErr == nil {
		config.limits = limits
	}
	for _, s := range settings() {
		e.setting(ctx, s, config)
	}
}

// queryLength is a setting that can be asked for without seeing it.
const queryLength = "limits_config.max_query_length"

// farBack finds out whether a question over a year is answered.
func (e *examination) farBack(ctx context.Context, s setting) (f Finding, known bool) {
	now := e.Now()
	_, _, err := e.Client.Logs(ctx, loki.LogQuery{Expr: `{service_name="adminsessions-doctor"}`, From: now.Add(-year).UnixNano(), To: now.UnixNano(), Limit: 1})
	refusal, ok := errors.AsType[*loki.Error](err)
	switch {
	case err == nil:
		return Finding{Of: s.path, Effect: None, Found: "a year or more: such a question is answered"}, true
	case ok && refusal.Kind == loki.TooBroad && refusal.Status == http.StatusBadRequest:
		_, why := s.judge(value{node: &yaml.Node{Value: "1s"}}, e)
		return Finding{Of: s.path, Effect: Hides, Found: refusal.Detail, Why: why, Do: "set it to " + s.do}, true
	}
	return f, false
}

func (e *examination) setting(ctx context.Context, s setting, config value) {
	v := config.beside(s.path)
	if v.node == nil && s.path == queryLength && config.root.Kind == 0 {
		if f, known := e.farBack(ctx, s); known {
			e.add(f)
			return
		}
	}
	if v.node == nil {
		if config.root.Kind != 0 { // this version has no such setting
			return
		}
		e.add(Finding{Of: s.path, Effect: Unknown, Found: "can't be seen", Do: "set it to " + s.do})
		return
	}
	do := s.do
	effect, why := s.judge(v, e)
	if effect == None {
		effect, why, do = e.demanded(s.path, v)
	}
	f := Finding{Of: s.path, Effect: effect, Found: v.String(), Why: why}
	if effect != None {
		f.Do = "set it to " + do
	}
	e.add(f)
}

// value is a value of the configuration, and the configuration.
type value struct {
	root   *yaml.Node
	limits map[string]any // the tenant's own, as far as Loki tells them
	node   *yaml.Node     // nil if it is not there
}

// beside is another value.
func (v value) beside(path string) value {
	v.node = nil
	if name, ok := strings.CutPrefix(path, "limits_config."); ok {
		if limit, ok := v.limits[name]; ok {
			v.node = &yaml.Node{Kind: yaml.ScalarNode, Value: scalar(limit)}
			return v
		}
	}
	if len(v.root.Content) == 0 {
		return v
	}
	node := v.root.Content[0]
	for key := range strings.SplitSeq(path, ".") {
		if node = find(node, key); node == nil {
			return v
		}
	}
	v.node = node
	return v
}

// scalar is a value of JSON as YAML has it.
func scalar(v any) string {
	if f, ok := v.(float64); ok {
		return fmt.Sprintf("%.0f", f)
	}
	return fmt.Sprint(v)
}

func find(node *yaml.Node, key string) *yaml.Node {
	if node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i+1]
		}
	}
	return nil
}

func (v value) String() string {
	if v.node.Kind != yaml.ScalarNode {
		return fmt.Sprintf("%d entries", len(v.node.Content))
	}
	return v.node.Value
}
