package lokitest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// logValue is ["<nanoseconds>", "<line>", {"structuredMetadata": …, "parsed": …}].
type logValue struct {
	time             time.Time
	line             string
	metadata, parsed map[string]string
}

func (v *logValue) UnmarshalJSON(data []byte) error {
	var nanoseconds string
	var extra struct {
		StructuredMetadata map[string]string `json:"structuredMetadata"`
		Parsed             map[string]string `json:"parsed"`
	}
	if err := json.Unmarshal(data, &[]any{&nanoseconds, &v.line, &extra}); err != nil {
		return fmt.Errorf("decode a log entry: %w", err)
	}
	ns, err := strconv.ParseInt(nanoseconds, 10, 64)
	if err != nil {
		return fmt.Errorf("decode a log entry's time: %w", err)
	}
	v.time = time.Unix(0, ns)
	v.metadata, v.parsed = extra.StructuredMetadata, extra.Parsed
	return nil
}

// point is [<seconds>, "<value>"].
type point Point

func (p *point) UnmarshalJSON(data []byte) error {
	var seconds float64
	var value string
	if err := json.Unmarshal(data, &[]any{&seconds, &value}); err != nil {
		return fmt.Errorf("decode a sample: %w", err)
	}
	parsed, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return fmt.Errorf("decode a sample's value: %w", err)
	}
	p.Time, p.Value = time.UnixMilli(int64(math.Round(seconds*1000))), parsed
	return nil
}

func nanos(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

// sortByTime orders entries oldest first and keeps the order of equals.
func sortByTime(entries []Entry) {
	slices.SortStableFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Time.UnixNano(), b.Time.UnixNano()) })
}
