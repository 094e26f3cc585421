package doctor

import (
	"strconv"
	"strings"
	"time"
)

func (v value) isTrue() bool { return v.node != nil && v.node.Value == "true" }

func (v value) number() (float64, bool) {
	if v.node == nil {
		return 0, false
	}
	n, err := strconv.ParseFloat(v.node.Value, 64)
	return n, err == nil
}

// durationUnits are those of Prometheus's durations, which Loki writes.
var durationUnits = []struct {
	name   string
	length time.Duration
}{
	{"ms", time.Millisecond}, {"ns", time.Nanosecond}, {"us", time.Microsecond}, {"µs", time.Microsecond},
	{"y", year}, {"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second},
}

func (v value) duration() (time.Duration, bool) {
	if v.node == nil {
		return 0, false
	}
	return parseDuration(v.node.Value)
}

// parseDuration reads a duration as Go or Prometheus writes it: 2h41m0s, 30d1h.
func parseDuration(s string) (total time.Duration, ok bool) {
	if s == "0" {
		return 0, true
	}
	negative := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	if s == "" {
		return 0, false
	}
	for s != "" {
		digits := len(s) - len(strings.TrimLeft(s, "0123456789."))
		n, err := strconv.ParseFloat(s[:digits], 64)
		if err != nil {
			return 0, false
		}
		s = s[digits:]
		found := false
		for _, u := range durationUnits {
			if rest, has := strings.CutPrefix(s, u.name); has {
				total += time.Duration(n * float64(u.length))
				s, found = rest, true
				break
			}
		}
		if !found {
			return 0, false
		}
	}
	if negative {
		total = -total
	}
	return total, true
}

// byteUnits are those of Loki's sizes.
var byteUnits = []struct {
	name string
	size float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1 << 10}, {"MB", 1 << 20}, {"GB", 1 << 30}, {"B", 1}, {"", 1},
}

func (v value) bytes() (int64, bool) {
	if v.node == nil {
		return 0, false
	}
	return parseBytes(v.node.Value)
}

// parseBytes reads a size as Loki writes it: 4194304, 256KB, 1536KB.
func parseBytes(s string) (int64, bool) {
	for _, u := range byteUnits {
		digits, has := strings.CutSuffix(s, u.name)
		if !has {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
		if err != nil {
			continue
		}
		return int64(n * u.size), true
	}
	return 0, false
}
