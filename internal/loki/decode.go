package loki

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// value is ["<nanoseconds>", "<line>", {"structuredMetadata": …, "parsed": …}].
type value struct {
	nanos            int64
	line             string
	metadata, parsed map[string]string
}

func (v *value) UnmarshalJSON(b []byte) error {
	var nanos string
	var extra struct {
		StructuredMetadata map[string]string `json:"structuredMetadata"`
		Parsed             map[string]string `json:"parsed"`
	}
	if err := json.Unmarshal(b, &[]any{&nanos, &v.line, &extra}); err != nil {
		return fmt.Errorf("decoding a log entry: %w", err)
	}
	var err error
	if v.nanos, err = strconv.ParseInt(nanos, 10, 64); err != nil {
		return fmt.Errorf("decoding a log entry's time: %w", err)
	}
	v.metadata, v.parsed = extra.StructuredMetadata, extra.Parsed
	return nil
}

// point is [<seconds>, "<value>"].
type point Point

func (p *point) UnmarshalJSON(b []byte) error {
	var seconds float64
	var text string
	if err := json.Unmarshal(b, &[]any{&seconds, &text}); err != nil {
		return fmt.Errorf("decoding a sample: %w", err)
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("decoding a sample's value: %w", err)
	}
	p.Time, p.Value = time.UnixMilli(int64(math.Round(seconds*1000))), v
	return nil
}
