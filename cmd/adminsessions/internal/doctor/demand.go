package doctor

import (
	"fmt"
	"math"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// demand is what a load asks of one of the settings: the doctor holds what a Loki
// has against it, a plan what deploy/loki has.
type demand struct {
	path string
	unit unit
	// least is the least number that serves the load, 0 for any; room how many
	// times that is to be set.
	least func(Load) float64
	room  float64
	// effect and why are of a number below the least.
	effect Effect
	why    string
}

// unit is how a number stands in Loki's configuration.
type unit int

const (
	plain unit = iota
	byteSize
	timeSpan
)

func demands() []demand {
	const busy = "the busiest seconds are slowed down by 429"
	panels := func(l Load) float64 { return l.Panels }
	return []demand{
		{"limits_config.max_global_streams_per_user", plain, panels, 2, Loses,
			"each log is a stream: the panels beyond that are refused with 429, and their events wait in the spools until others fall silent"},
		{"limits_config.max_query_series", plain, panels, 2, Hides,
			"with more logs than that the completeness dashboard and its rules, which ask about all of them, fail with an error"},
		{"ingester.wal.replay_memory_ceiling", byteSize, Load.checkpoint, 1.5, Slows,
			"a Loki that was killed and finds more than that in its write-ahead log writes chunks while it reads: it is back much later, and the chunks are small"},
		{"limits_config.ingestion_rate_mb", plain, Load.peakMB, 2, Slows, busy},
		{"limits_config.ingestion_burst_size_mb", plain, Load.peakMB, 4, Slows, busy},
		{"ingester.chunk_idle_period", timeSpan, func(l Load) float64 { return l.idle().Seconds() }, 1, Slows,
			"quiet panels end a chunk with each pause: many small ones, each of which costs a query as much as one with a day in it"},
	}
}

// demanded judges a value by what the load demands, and says what to set instead.
func (e *examination) demanded(path string, v value) (effect Effect, why, do string) {
	i := slices.IndexFunc(demands(), func(d demand) bool { return d.path == path })
	if i < 0 {
		return None, "", ""
	}
	d := demands()[i]
	if n := d.number(v); n > 0 && n < d.least(e.load) { // 0 is no limit
		return d.effect, d.why, d.value(e.load)
	}
	return None, "", ""
}

// number reads a value of the setting.
func (d *demand) number(v value) float64 {
	switch d.unit {
	case byteSize:
		n, _ := v.bytes()
		return float64(n)
	case timeSpan:
		n, _ := v.duration()
		return n.Seconds()
	default:
		n, _ := v.number()
		return n
	}
}

func scalarValue(s string) value { return value{node: &yaml.Node{Kind: yaml.ScalarNode, Value: s}} }

// value is what to set for a load.
func (d *demand) value(l Load) string {
	n := d.least(l) * d.room
	switch d.unit {
	case byteSize:
		return fmt.Sprintf("%.0fMB", max(1, round2(n/(1<<20))))
	case timeSpan:
		return fmt.Sprintf("%.0fh", math.Ceil(n/time.Hour.Seconds()))
	default:
		return fmt.Sprintf("%.0f", round2(n))
	}
}

// Demand is a setting of Loki's of which a load needs another value than
// deploy/loki has.
type Demand struct {
	Setting string `json:"setting"`
	Value   string `json:"value"`
	Shipped string `json:"shipped"`
	Why     string `json:"why"`
}

// demands are the settings of which deploy/loki does not have enough.
func (l Load) demands() []Demand {
	list := []Demand{} // also in JSON
	all := settings()
	for _, d := range demands() {
		shipped := all[slices.IndexFunc(all, func(s setting) bool { return s.path == d.path })].do
		if d.least(l)*d.room > d.number(scalarValue(shipped)) {
			list = append(list, Demand{d.path, d.value(l), shipped, d.why})
		}
	}
	return list
}
