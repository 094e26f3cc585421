package doctor

import (
	"math"
	"time"
)

// Plan is what a trail needs of disks, processors and time, and what to set for it.
type Plan struct {
	Panels       float64 `json:"panels"`
	EventsPerDay float64 `json:"events_per_day"`
	// PeakEvents is the busiest second, PeakPushes the pushes in it, PeakCores what
	// Loki needs of processors then, Connections how many are open to its gateway.
	PeakEvents  float64 `json:"peak_events_per_second"`
	PeakPushes  float64 `json:"peak_pushes_per_second"`
	PeakCores   float64 `json:"peak_cores"`
	Connections float64 `json:"connections"`
	LineBytes   float64 `json:"line_bytes"`

	// Backlog is how many events wait after an outage of Loki, SpoolBytes what they
	// take in all spools, Limit what the limit of each should be: twice its share.
	// DefaultLasts is how long the default limit lasts.
	Outage       time.Duration `json:"outage_ns"`
	Backlog      float64       `json:"backlog_events"`
	SpoolBytes   int64         `json:"spool_bytes"`
	Limit        int64         `json:"spool_limit_bytes"`
	DefaultLasts time.Duration `json:"default_limit_lasts_ns"`
	// Drain is how long Loki takes for the backlog on one core.
	Drain time.Duration `json:"drain_ns"`

	// Memory and WAL are those of all ingesters together.
	Copies float64 `json:"replication_factor"`
	Memory int64   `json:"ingester_memory_bytes"`
	WAL    int64   `json:"wal_bytes"`

	// What the store has when the trail is as old as it gets: Bytes in a bucket,
	// Disk on a disk, a file a chunk; Index is in both.
	Keep         time.Duration `json:"keep_ns"`
	ChunksPerDay float64       `json:"chunks_per_day"`
	ChunkEvents  float64       `json:"events_per_chunk"`
	Chunks       float64       `json:"chunks"`
	Index        int64         `json:"index_bytes"`
	Bytes        int64         `json:"bucket_bytes"`
	Disk         int64         `json:"disk_bytes"`

	// Set is what deploy/loki does not have enough of.
	Set []Demand `json:"set"`
}

const (
	minLimit     = 1 << 20
	defaultLimit = 1 << 30
)

// MakePlan makes the plan of a load.
func MakePlan(l Load, outage, keep time.Duration) Plan {
	l.Panels, l.Peak, l.Copies = max(1, l.Panels), max(1, l.Peak), max(1, l.Copies)
	days := func(d time.Duration) float64 { return d.Hours() / day.Hours() }
	peak := l.perSecond() * l.Peak
	p := Plan{
		Panels: l.Panels, EventsPerDay: l.PerDay, LineBytes: l.LineBytes, Copies: l.Copies, Outage: outage, Keep: keep,
		PeakEvents: peak, PeakPushes: l.pushes(peak), PeakCores: l.cores(peak), Connections: math.Ceil(l.connections(peak)),
		Backlog: l.PerDay * days(outage), Memory: whole(l.memory()), WAL: whole(l.wal()), Set: l.demands(),
	}
	spooled := l.LineBytes + spooledBeside
	p.SpoolBytes = whole(p.Backlog * spooled)
	p.Limit = max(minLimit, whole(2*p.Backlog*spooled/l.Panels))
	pushes := max(p.Backlog/batchEvents, min(p.Backlog, l.Panels))
	p.Drain = seconds(l.Copies * (pushes*pushCPU.Seconds() + p.Backlog*eventCPU.Seconds()))
	if l.PerDay > 0 {
		p.DefaultLasts = seconds(min(defaultLimit/spooled/l.perPanel()*day.Seconds(), 100*year.Seconds())).Round(time.Hour)
		p.ChunksPerDay = l.Panels * l.chunksADay(l.idle())
		p.ChunkEvents = l.PerDay / p.ChunksPerDay
	}
	p.Chunks = p.ChunksPerDay * days(keep)
	chunk := l.chunkBytes(p.ChunkEvents)
	p.Index = whole(p.Chunks * indexBytes)
	p.Bytes = whole(p.Chunks * chunk)
	p.Disk = whole(p.Chunks*math.Ceil(chunk/fileBlock)*fileBlock + min(p.Chunks, l.Panels)*fileBlock)
	return p
}

func seconds(s float64) time.Duration {
	return time.Duration(whole(s * float64(time.Second))).Round(time.Second)
}

// whole is a number as an integer, the largest there is if it is larger.
func whole(n float64) int64 {
	if n >= math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(n)
}
