package cli

import (
	"fmt"
	"time"
)

func unixNano(ns int64) time.Time { return time.Unix(0, ns) }

// formatTime is a time for programs and people.
func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// formatBytes is a number of bytes in the unit that reads best.
func formatBytes(n int64) string {
	const k = 1024
	switch {
	case n < k:
		return fmt.Sprintf("%d B", n)
	case n < k*k:
		return fmt.Sprintf("%.1f KiB", float64(n)/k)
	case n < k*k*k:
		return fmt.Sprintf("%.1f MiB", float64(n)/k/k)
	case n < k*k*k*k:
		return fmt.Sprintf("%.1f GiB", float64(n)/k/k/k)
	default:
		return fmt.Sprintf("%.1f TiB", float64(n)/k/k/k/k)
	}
}

// plural is a number of things.
func plural(n uint64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
