package doctor

import (
	"math"
	"time"
)

// Load is what a trail asks of its Loki.
type Load struct {
	// Panels is how many logs are written: one a spool, each a stream of its own.
	Panels float64
	// PerDay is how many events a day all of them have together, Peak how much
	// more the busiest second has than one on average.
	PerDay, Peak float64
	// LineBytes is the length of an event's line in Loki.
	LineBytes float64
	// Copies is how many ingesters take each event: Loki's replication factor.
	Copies float64
}

// What a load has where nothing else is known: lines of the usual length, and a
// busiest second with ten times the average.
const (
	DefaultPeak      = 10
	DefaultLineBytes = 500
)

// What things cost, measured with bench/capacity and Loki 3.7.8; docs/capacity.md
// has the figures and their commands.
const (
	// The measured lines have so many bytes. What an event takes in the spool and
	// in Loki's write-ahead log besides its line.
	measuredLine  = 390
	spooledBeside = 200
	walBeside     = 20

	// Loki's processor time for a push, whatever is in it, and for an event in it.
	pushCPU  = 400 * time.Microsecond
	eventCPU = 7 * time.Microsecond

	// A stream in an ingester's memory, and an event in it besides its line, until
	// blockBytes of lines are there and are compressed. Loki's process takes twice
	// what it holds, because Go collects garbage when there is as much as that, and
	// baseMemory without a stream.
	streamMemory = 3 << 10
	eventMemory  = 260
	blockBytes   = 256 << 10
	baseMemory   = 150 << 20

	// fullChunkBytes is how large a chunk grows, compressed, before Loki ends it.
	fullChunkBytes = 3 << 19

	// syncBytes is from how many bytes on, compressed or not yet, Loki ends a chunk
	// at a full hour (ingester.sync_period, sync_min_utilization).
	syncBytes = fullChunkBytes / 10

	// indexBytes is what a chunk takes in the index.
	indexBytes = 110

	// fileBlock is the least that a file takes of a disk, and so does the folder of
	// a stream.
	fileBlock = 4 << 10

	// batchWait is how long the exporter waits for more events before it pushes,
	// batchEvents how many it pushes at most at a time.
	batchWait   = 250 * time.Millisecond
	batchEvents = 4000

	// shippedIdle is deploy/loki's chunk_idle_period; from so many panels on it
	// matters how Loki cuts their chunks.
	shippedIdle = 2 * time.Hour
	fleet       = 1000

	// kept is how long a connection is kept that nothing is sent on, by nginx.
	kept = 75 * time.Second
)

// chunkSizes are the measured bytes of a chunk, by how many events it has.
var chunkSizes = [][2]float64{{1, 729}, {5, 1049}, {24, 2237}, {100, 6071}, {240, 13088}, {481, 24249}}

// perSecond is how many events a second there are on average.
func (l Load) perSecond() float64 { return l.PerDay / day.Seconds() }

// perPanel is how many events a day a panel has.
func (l Load) perPanel() float64 { return l.PerDay / max(1, l.Panels) }

// pushes is how many pushes a second are made of so many events a second: those
// of a panel within a batch's wait come together, up to a batch's size.
func (l Load) pushes(perSecond float64) float64 {
	return max(perSecond/batchEvents, perSecond/(1+perSecond/max(1, l.Panels)*batchWait.Seconds()))
}

// cores is how much of processors Loki needs to take in so many events a second.
func (l Load) cores(perSecond float64) float64 {
	return l.Copies * (l.pushes(perSecond)*pushCPU.Seconds() + perSecond*eventCPU.Seconds())
}

// connections is how many connections are open if each is kept for 75 s.
func (l Load) connections(perSecond float64) float64 {
	return l.Panels * (1 - math.Exp(-perSecond/max(1, l.Panels)*kept.Seconds()))
}

// peakMB is how many MiB of lines the busiest second has.
func (l Load) peakMB() float64 { return l.perSecond() * max(1, l.Peak) * l.LineBytes / (1 << 20) }

// idle is the chunk_idle_period that a load needs.
func (l Load) idle() time.Duration {
	if l.Panels >= fleet && l.pauses(shippedIdle) > 1.5 {
		return day
	}
	return shippedIdle
}

// chunksADay is how many chunks a panel's day makes: Loki ends one after a day, when
// it has had no event for so long, at a full hour if there is something in it, and
// when it is full.
func (l Load) chunksADay(idle time.Duration) float64 {
	n := l.perPanel()
	return min(n, max(l.pauses(idle), day.Hours()/l.hours(), n/l.fullChunk()))
}

// pauses is how many pauses of such a length a panel's day has, if its events come
// by chance.
func (l Load) pauses(length time.Duration) float64 {
	n := l.perPanel()
	return n * math.Exp(-n*length.Hours()/day.Hours())
}

// hours is after how many hours Loki ends a chunk: at the first at which it has
// syncBytes, and after a day at the latest.
func (l Load) hours() float64 {
	return min(day.Hours(), math.Ceil(syncBytes/l.LineBytes/l.perPanel()*day.Hours()))
}

// fullChunk is how many events fill a chunk.
func (l Load) fullChunk() float64 { return fullChunkBytes / l.packedBytes() }

// chunkBytes is how large a chunk is, by how many events it has.
func (l Load) chunkBytes(events float64) float64 {
	first, last := chunkSizes[0], chunkSizes[len(chunkSizes)-1]
	scale := l.LineBytes / measuredLine
	bytes := 0.0
	switch {
	case events <= first[0]:
		return first[1]
	case events >= last[0]:
		bytes = last[1] / last[0] * events
	default:
		for i, p := range chunkSizes[1:] {
			if from := chunkSizes[i]; events <= p[0] {
				share := math.Log(events/from[0]) / math.Log(p[0]/from[0])
				bytes = from[1] * math.Pow(p[1]/from[1], share)
				break
			}
		}
	}
	return first[1] + (bytes-first[1])*scale
}

// held is how many events of a panel an ingester holds as they are, and how many
// compressed, at most: those of a chunk.
func (l Load) held() (plain, packed float64) {
	n := l.perPanel() * l.hours() / day.Hours()
	plain = min(n, math.Floor(blockBytes/l.LineBytes))
	return plain, min(n-plain, l.fullChunk())
}

// packedBytes is what a compressed event takes.
func (l Load) packedBytes() float64 { return l.chunkBytes(batchEvents) / batchEvents }

// memory is what the ingesters' processes take together.
func (l Load) memory() float64 {
	plain, packed := l.held()
	stream := streamMemory + plain*(l.LineBytes+eventMemory) + packed*l.packedBytes()
	return l.Copies * (baseMemory + 2*l.Panels*stream)
}

// checkpoint is what an ingester that has a copy of everything holds, as it stands
// in its write-ahead log.
func (l Load) checkpoint() float64 {
	plain, packed := l.held()
	return l.Panels * (plain*(l.LineBytes+walBeside) + packed*l.packedBytes())
}

// wal is what the ingesters' write-ahead logs take together: a checkpoint, and the
// segments of two times the five minutes between two.
func (l Load) wal() float64 {
	return l.Copies * (l.checkpoint() + 600*l.perSecond()*l.LineBytes)
}

// round2 rounds up to two digits: nobody wants to set 231481.
func round2(n float64) float64 {
	if n <= 0 {
		return 0
	}
	unit := math.Pow(10, max(0, math.Floor(math.Log10(n))-1))
	return math.Ceil(n/unit-1e-9) * unit
}
