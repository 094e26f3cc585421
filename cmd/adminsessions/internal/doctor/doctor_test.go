package doctor

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// fakeLoki answers what an examination asks: it stands for Lokis that one can't
// start here.
type fakeLoki struct {
	config  string // "" is a gateway that does not let it through
	limits  string
	version string
	push    http.HandlerFunc
	skew    time.Duration
	streams string // of the trail, as JSON
	deletes bool
	short   bool // questions over a year are refused
	many    bool // it has more logs than max_query_series
}

func (f *fakeLoki) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", time.Now().Add(f.skew).UTC().Format(http.TimeFormat))
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/buildinfo"):
		fmt.Fprintf(w, `{"version":%q}`, f.version)
	case path == "/config" && f.config != "":
		fmt.Fprint(w, f.config)
	case strings.HasSuffix(path, "/drilldown-limits") && f.limits != "":
		fmt.Fprintf(w, `{"limits":%s}`, f.limits)
	case strings.HasSuffix(path, "/push"):
		f.push(w, r)
	case strings.HasSuffix(path, "/delete") && f.deletes:
		fmt.Fprint(w, `[]`)
	case strings.HasSuffix(path, "/delete"):
		http.Error(w, "deletion is not available for this tenant", http.StatusForbidden)
	case strings.HasSuffix(path, "/query_range") && f.short:
		http.Error(w, "the query time range exceeds the limit (query length: 8760h0m0s, limit: 30d1h)", http.StatusBadRequest)
	case strings.HasSuffix(path, "/query_range"):
		fmt.Fprint(w, `{"data":{"resultType":"streams","result":[]}}`)
	case strings.HasSuffix(path, "/series"):
		fmt.Fprintf(w, `{"data":[%s]}`, f.streams)
	case strings.HasSuffix(path, "/values"):
		fmt.Fprint(w, `{"data":["panel"]}`)
	case strings.HasSuffix(path, "/query") && f.many:
		http.Error(w, "maximum number of series (1) reached for a single query", http.StatusBadRequest)
	case strings.HasSuffix(path, "/query"):
		fmt.Fprint(w, `{"data":{"resultType":"vector","result":[]}}`)
	default:
		http.NotFound(w, r)
	}
}

// refuses is what Loki says of a push without a stream.
func refuses(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "error at least one valid stream is required for ingestion", http.StatusUnprocessableEntity)
}

func says(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, status) }
}

func examine(t *testing.T, f *fakeLoki, change ...func(*Options)) map[string]Finding {
	t.Helper()
	if f.version == "" {
		f.version = "3.7.8"
	}
	if f.push == nil {
		f.push = refuses
	}
	server := httptest.NewServer(f)
	defer server.Close()
	client, err := loki.New(adminsessions.Loki{URL: server.URL}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	o := Options{Client: client, Now: time.Now, Store: trail.New(client, trail.Config{Now: time.Now}).Within(trail.Scope{All: true})}
	for _, c := range change {
		c(&o)
	}
	list, err := Examine(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	findings := map[string]Finding{}
	for _, f := range list {
		findings[strings.TrimPrefix(f.Of, "limits_config.")] = f
	}
	return findings
}

func TestSettings(t *testing.T) {
	const rest = "limits_config: {%s}\ningester: {%s}\nserver: {%s}\n%s"
	config := func(limits, ingester, server, more string) string {
		return fmt.Sprintf(rest, limits, ingester, server, more)
	}
	for name, test := range map[string]struct {
		config, of string
		effect     Effect
	}{
		"shards":                  {config("shard_streams: {enabled: true}", "", "", ""), "shard_streams.enabled", Doubles},
		"no shards":               {config("shard_streams: {enabled: false}", "", "", ""), "shard_streams.enabled", None},
		"no log":                  {config("", "wal: {enabled: false}", "", ""), "ingester.wal.enabled", Loses},
		"deletion":                {config("deletion_mode: filter-only", "", "", ""), "deletion_mode", Loses},
		"cut lines":               {config("max_line_size_truncate: true", "", "", ""), "max_line_size_truncate", Falsifies},
		"short lines":             {config("max_line_size: 8KB", "", "", ""), "max_line_size", Loses},
		"lines of any length":     {config("max_line_size: 0", "", "", ""), "max_line_size", None},
		"small messages":          {config("", "", "grpc_server_max_recv_msg_size: 1048576", ""), "server.grpc_server_max_recv_msg_size", Loses},
		"a burst no push fits":    {config("ingestion_burst_size_mb: 1", "", "", ""), "ingestion_burst_size_mb", Loses},
		"a burst that slows":      {config("ingestion_burst_size_mb: 6", "", "", ""), "ingestion_burst_size_mb", Slows},
		"a stream's burst":        {config("per_stream_rate_limit_burst: 1500KB", "", "", ""), "per_stream_rate_limit_burst", Loses},
		"labels":                  {config("max_label_names_per_series: 3", "", "", ""), "max_label_names_per_series", Loses},
		"old entries":             {config("reject_old_samples_max_age: 1w", "", "", ""), "reject_old_samples_max_age", Hides},
		"old entries are taken":   {config("reject_old_samples_max_age: 1w, reject_old_samples: false", "", "", ""), "reject_old_samples_max_age", None},
		"short questions":         {config("max_query_length: 30d1h", "", "", ""), "max_query_length", Hides},
		"questions of any length": {config("max_query_length: 0s", "", "", ""), "max_query_length", None},
		"lookback":                {config("max_query_lookback: 720h", "", "", ""), "max_query_lookback", Hides},
		"series":                  {config("max_query_series: 500", "", "", ""), "max_query_series", Hides},
		"entries":                 {config("max_entries_limit_per_query: 1000", "", "", ""), "max_entries_limit_per_query", Hides},
		"bytes":                   {config("max_query_bytes_read: 10GB", "", "", ""), "max_query_bytes_read", Hides},
		"ingesters":               {config("", "", "", "querier: {query_ingesters_within: 3h0m0s}"), "querier.query_ingesters_within", Hides},
		"ingesters without end":   {config("", "", "", "querier: {query_ingesters_within: 0s}"), "querier.query_ingesters_within", None},
		"one process":             {config("", "query_store_max_look_back_period: 2h41m0s", "", ""), "ingester.query_store_max_look_back_period", Hides},
		"one process, no end":     {config("", "query_store_max_look_back_period: -1ns", "", ""), "ingester.query_store_max_look_back_period", None},
		"health checks":           {config("", "", "", "ingester_client: {pool_config: {health_check_ingesters: true, remote_timeout: 1s}}"), "ingester_client.pool_config.health_check_ingesters", Hides},
		"no health checks":        {config("", "", "", "ingester_client: {pool_config: {health_check_ingesters: false, remote_timeout: 1s}}"), "ingester_client.pool_config.health_check_ingesters", None},
		"patient health checks":   {config("", "", "", "ingester_client: {pool_config: {health_check_ingesters: true, remote_timeout: 10s}}"), "ingester_client.pool_config.health_check_ingesters", None},
		"cached":                  {config("", "", "", "query_range: {cache_results: true}"), "query_range.cache_results", Hides},
		"kept for a month":        {config("retention_period: 744h", "", "", "compactor: {retention_enabled: true}"), "retention_period", Unknown},
		"kept, nothing deletes":   {config("retention_period: 744h", "", "", "compactor: {retention_enabled: false}"), "retention_period", None},
		"kept for two years":      {config("retention_period: 2y", "", "", "compactor: {retention_enabled: true}"), "retention_period", None},
		"rules":                   {config("retention_stream: [{selector: x, period: 24h}]", "", "", ""), "retention_stream", Unknown},
		"tenants' limits":         {config("", "", "", "runtime_config: {file: overrides.yaml}"), "runtime_config.file", Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			f, ok := examine(t, &fakeLoki{config: test.config})[test.of]
			if !ok || f.Effect != test.effect || f.Effect != None && (f.Why == "" || f.Do == "") {
				t.Errorf("%+v, want %s", f, test.effect)
			}
		})
	}
}

// What the tenant has of its own stands above the configuration, and is all there
// is behind a gateway.
func TestTenantLimits(t *testing.T) {
	limits := `{"max_query_length":"30d1h","max_query_series":20000,"volume_enabled":true}`
	for _, config := range []string{"", "limits_config: {max_query_length: 0s, max_query_series: 500}\n"} {
		found := examine(t, &fakeLoki{config: config, limits: limits})
		if f := found["max_query_length"]; f.Effect != Hides || f.Found != "30d1h" {
			t.Errorf("%+v", f)
		}
		if f := found["max_query_series"]; f.Effect != None || f.Found != "20000" {
			t.Errorf("%+v", f)
		}
	}
	found := examine(t, &fakeLoki{})
	if f := found["configuration"]; f.Effect != Unknown {
		t.Errorf("%+v", f)
	}
	if f := found["shard_streams.enabled"]; f.Effect != Unknown || f.Do == "" {
		t.Errorf("%+v", f)
	}
	// A page with status 200 is no configuration.
	if f := examine(t, &fakeLoki{config: "<html>Sign in</html>"})["configuration"]; f.Effect != Unknown {
		t.Errorf("%+v", f)
	}
}

// What can't be seen is asked for, where that changes nothing.
func TestWhatIsNotSeenIsAskedFor(t *testing.T) {
	for short, want := range map[bool]Effect{true: Hides, false: None} {
		if f := examine(t, &fakeLoki{short: short})["max_query_length"]; f.Effect != want {
			t.Errorf("%+v, want %s", f, want)
		}
	}
	for deletes, want := range map[bool]Effect{true: Loses, false: None} {
		if f := examine(t, &fakeLoki{deletes: deletes})["deleting"]; f.Effect != want {
			t.Errorf("%+v, want %s", f, want)
		}
	}
}

// A limit is held against how many logs there are, also where those are so many
// that Loki does not tell their numbers.
func TestLimitsOfAFleet(t *testing.T) {
	loki := &fakeLoki{many: true, streams: `{"audit_log_id":"a"},{"audit_log_id":"b"},{"audit_log_id":"c"}`}
	for limit, want := range map[int]Effect{0: None, 2: Loses, 3: None} {
		loki.config = fmt.Sprintf("limits_config: {max_global_streams_per_user: %d, max_query_series: 20000}\n", limit)
		found := examine(t, loki)
		if f := found["max_global_streams_per_user"]; f.Effect != want || want != None && f.Do != "set it to 6" {
			t.Errorf("%d streams: %+v, want %s", limit, f, want)
		}
		if f := found["trail"]; f.Effect != Unknown {
			t.Errorf("%+v", f)
		}
	}
}

func TestPushing(t *testing.T) {
	for name, test := range map[string]struct {
		push   http.HandlerFunc
		effect Effect
	}{
		"allowed":         {refuses, None},
		"an old version":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, None},
		"no tenant":       {says(401, "no org id"), Unknown},
		"only reading":    {says(403, "forbidden"), Unknown},
		"another address": {says(404, "page not found"), Loses},
		"a login page":    {says(200, "<html>"), Loses},
		"overloaded":      {says(503, "too busy"), Loses},
	} {
		if f := examine(t, &fakeLoki{push: test.push})["pushing"]; f.Effect != test.effect {
			t.Errorf("%s: %+v, want %s", name, f, test.effect)
		}
	}
}

func TestClocksVersionsAndShards(t *testing.T) {
	for skew, want := range map[time.Duration]Effect{0: None, time.Minute: Slows, -time.Minute: Slows, time.Hour: Hides, -time.Hour: Hides} {
		if f := examine(t, &fakeLoki{skew: skew})["clocks"]; f.Effect != want {
			t.Errorf("%v: %+v, want %s", skew, f, want)
		}
	}
	if f := examine(t, &fakeLoki{streams: `{"service_name":"panel","__stream_shard__":"1"}`})["shards"]; f.Effect != Doubles {
		t.Errorf("%+v", f)
	}
	found := examine(t, &fakeLoki{version: "2.9.4"})
	keys := slices.Collect(func(yield func(string) bool) {
		for k, f := range found {
			if strings.HasPrefix(k, "Loki at ") && f.Effect == Doubles && !yield(k) {
				return
			}
		}
	})
	if len(keys) != 1 {
		t.Errorf("version 2.9.4 is not told: %+v", found)
	}
}

func TestProbe(t *testing.T) {
	probe := func(o *Options) { o.Probe = true }
	old := func(max time.Duration) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.ContentLength < 20 {
				refuses(w, r)
				return
			}
			http.Error(w, "entry for stream '{service_name=\"adminsessions-doctor\"}' has timestamp too old: 2016-01-01T00:00:00Z, oldest acceptable timestamp is: "+
				time.Now().Add(-max).UTC().Format(time.RFC3339), http.StatusBadRequest)
		}
	}
	const of = "probe: limits_config.reject_old_samples_max_age"
	for max, want := range map[time.Duration]Effect{7 * 24 * time.Hour: Hides, year: None} {
		if f := examine(t, &fakeLoki{push: old(max)}, probe)[of]; f.Effect != want {
			t.Errorf("%v: %+v, want %s", max, f, want)
		}
	}
	if f := examine(t, &fakeLoki{push: old(year)})[of]; f.Of != "" {
		t.Errorf("probed unasked: %+v", f)
	}
}

func TestValues(t *testing.T) {
	for s, want := range map[string]time.Duration{"0": 0, "0s": 0, "1w": 7 * 24 * time.Hour, "30d1h": 721 * time.Hour, "2h41m0s": 161 * time.Minute, "-1ns": -1, "1y": year, "100ms": 100 * time.Millisecond, "1.5h": 90 * time.Minute} {
		if d, ok := parseDuration(s); !ok || d != want {
			t.Errorf("%s: %v, %v", s, d, ok)
		}
	}
	for _, s := range []string{"", "-", "h", "5", "5x", "soon", "1h-"} {
		if d, ok := parseDuration(s); ok {
			t.Errorf("%q: %v", s, d)
		}
	}
	for s, want := range map[string]int64{"0": 0, "0B": 0, "256KB": 256 << 10, "1536KB": 1536 << 10, "4194304": 4 << 20, "64MB": 64 << 20, "1.5GB": 3 << 29} {
		if n, ok := parseBytes(s); !ok || n != want {
			t.Errorf("%s: %v, %v", s, n, ok)
		}
	}
	for _, s := range []string{"", "KB", "many", "x64MB"} {
		if n, ok := parseBytes(s); ok {
			t.Errorf("%q: %v", s, n)
		}
	}
}
