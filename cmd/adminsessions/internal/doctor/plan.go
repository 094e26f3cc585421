package doctor

import "time"

// What an event takes, measured (docs/benchmarks.md): in the spool, and on
// Loki's disk, compressed.
const (
	spooledBytes = 720
	storedBytes  = 115
	// drainEvents is how many events a second drain where Loki does not limit it.
	drainEvents = 20_000
)

// Plan is what a trail needs of disks and time.
type Plan struct {
	EventsPerDay float64 `json:"events_per_day"`
	// Backlog is how many events wait after an outage of Loki, SpoolBytes what they
	// take in the spools, Limit what the spools' limits should be together: twice
	// that. DefaultLasts is how long the default limit of one spool lasts.
	Outage       time.Duration `json:"outage_ns"`
	Backlog      float64       `json:"backlog_events"`
	SpoolBytes   int64         `json:"spool_bytes"`
	Limit        int64         `json:"spool_limit_bytes"`
	DefaultLasts time.Duration `json:"default_limit_lasts_ns"`
	// Drain is how long the backlog takes to drain.
	Drain time.Duration `json:"drain_ns"`
	// Disk is what the trail takes on Loki's disk when it is as old as it gets.
	Keep time.Duration `json:"keep_ns"`
	Disk int64         `json:"loki_disk_bytes"`
}

const (
	minLimit     = 1 << 20
	defaultLimit = 1 << 30
)

// MakePlan makes the plan of a trail with so many events a day.
func MakePlan(perDay float64, outage, keep time.Duration) Plan {
	days := func(d time.Duration) float64 { return d.Hours() / 24 }
	p := Plan{EventsPerDay: perDay, Outage: outage, Keep: keep, Backlog: perDay * days(outage)}
	p.SpoolBytes = int64(p.Backlog * spooledBytes)
	p.Limit = max(minLimit, 2*p.SpoolBytes)
	p.Drain = time.Duration(p.Backlog / drainEvents * float64(time.Second)).Round(time.Second)
	p.Disk = int64(perDay * days(keep) * storedBytes)
	if perDay > 0 {
		lasts := defaultLimit / spooledBytes / perDay * 24
		p.DefaultLasts = time.Duration(min(lasts, 100*year.Hours()) * float64(time.Hour)).Round(time.Hour)
	}
	return p
}
