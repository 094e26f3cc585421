package exporter

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions/internal/spool"
	"github.com/adminsessions/adminsessions/internal/spooled"
	"github.com/adminsessions/adminsessions/proof"
)

const (
	// retryInterval is how often the file is looked for.
	retryInterval = 10 * time.Second
	// retryPause is the pause after events of it could not be delivered.
	retryPause = time.Minute
)

// retry delivers the events of [spooled.RetryFile], the quarantine file as an
// operator has renamed it who has removed the cause: with their own labels, times
// and sequence numbers. What Loki refuses again goes back into quarantine. The file
// is removed when it is done with. If the process ends before, it begins anew:
// entries that come again are byte-identical. retry belongs to the shipper.
type retry struct {
	dir       string
	remove    func(file string) error
	offset    int64 // everything before it is delivered or back in quarantine
	reached   int64 // where the batch under way ends
	due       time.Time
	delivered int
	active    bool                            // a file is being worked on
	late      map[string][]proof.RecordedLeaf // what was delivered and is not on record, by log
	finished  fileStamp                       // of a file that is done with and could not be removed
}

// fileStamp tells a file from another of the same name.
type fileStamp struct {
	size     int64
	modified time.Time
}

func (r *retry) path() string { return filepath.Join(r.dir, spooled.RetryFile) }

func (r *retry) stamp() fileStamp {
	info, err := os.Lstat(r.path())
	if err != nil {
		return fileStamp{}
	}
	return fileStamp{info.Size(), info.ModTime()}
}

// interval is the longest pause of the shipper.
func (r *retry) interval() time.Duration { return retryInterval }

// done notes that the batch under way is.
func (r *retry) done() { r.offset = r.reached }

// retryDue reports whether to look for the file now.
func (s *shipper) retryDue() bool {
	return !s.now().Before(s.retry.due)
}

// abandonRetry gives a batch from the file up for now.
func (s *shipper) abandonRetry(b *batch) {
	s.retry.due = s.now().Add(retryPause)
	s.release(b)
	s.batch = nil
}

// startRetry pushes the next events of the file, if there are any.
func (s *shipper) startRetry() {
	r := &s.retry
	r.due = s.now().Add(retryInterval)
	if !r.active && r.finished != (fileStamp{}) && r.finished == r.stamp() {
		return
	}
	b := s.free[len(s.free)-1]
	b.retry = true
	end, err := s.readRetry(b)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !r.active:
		b.reset()
		return
	case err != nil:
		b.reset()
		*r = retry{dir: r.dir, remove: r.remove, due: s.now().Add(retryPause)}
		if _, ok := s.retryTold.Allow(s.now(), time.Hour); ok {
			s.log.Error("events from quarantine can't be delivered again", "file", r.path(), "error", err)
		}
		return
	}
	r.active = true
	if b.empty() {
		b.reset()
		if r.offset = r.reached; end {
			s.finishRetry()
		}
		return
	}
	r.due = time.Time{} // the next ones follow at once
	s.free = s.free[:len(s.free)-1]
	s.batch = b
	b.seal()
	s.start()
}

// tookLate notes events that Loki has taken out of quarantine.
func (s *shipper) tookLate(p part) {
	if s.notary == nil { // nothing declares what is absent
		return
	}
	r := &s.retry
	if r.late == nil {
		r.late = map[string][]proof.RecordedLeaf{}
	}
	log := spooled.LogID(p.stream.Labels())
	for i := p.from; i < p.to; i++ {
		r.late[log] = append(r.late[log], proof.RecordedLeaf{Number: p.stream.entries[i].seq, Hash: p.stream.leaf(i)})
		if len(r.late[log]) == proof.MaxRecordedLeaves {
			s.tellLate(log)
		}
	}
}

// tellLate has written what of a log was delivered late.
func (s *shipper) tellLate(log string) {
	s.trail.DeliveredLate(log, s.retry.late[log])
	delete(s.retry.late, log)
}

func (s *shipper) finishRetry() {
	r := &s.retry
	for log := range r.late {
		s.tellLate(log)
	}
	s.log.Info("events from quarantine are delivered", "events", r.delivered)
	next := retry{dir: r.dir, remove: r.remove, due: s.now().Add(retryInterval)}
	if err := r.remove(r.path()); err != nil {
		next.finished = r.stamp()
		s.log.Error("the file of events from quarantine is done with and can't be removed; remove it, or they are delivered once more after a restart", "file", r.path(), "error", err)
	}
	*r = next
}

// readRetry fills a batch from the file. end reports that the file has no more.
func (s *shipper) readRetry(b *batch) (end bool, err error) {
	r := &s.retry
	f, err := spool.OpenPlain(r.path(), os.O_RDONLY)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if _, err := f.Seek(r.offset, io.SeekStart); err != nil {
		return false, err
	}
	r.reached = r.offset
	in := bufio.NewReaderSize(f, 64<<10)
	for b.count < s.batchEvents && b.largest < s.limit && len(b.streams) < maxBatchStreams {
		line, err := readLine(in)
		if len(line) == 0 && errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		if text := bytes.TrimSpace(line); len(text) > 0 {
			if err := b.addQuarantined(text, s.quarantine.keys); err != nil {
				s.log.Error("a line of the file of events from quarantine can't be read; it goes back into quarantine", "offset", r.reached, "error", err)
				if err := s.quarantine.append(bytes.Clone(text)); err != nil {
					return false, err
				}
				s.metrics.retried.add(retriedRefused)
			}
		}
		r.reached += int64(len(line))
	}
	return false, nil
}

// readLine returns the next line with its end.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		piece, err := in.ReadSlice('\n')
		line = append(line, piece...)
		if len(line) > spooled.MaxRefused {
			return nil, fmt.Errorf("a line has more than %d bytes", spooled.MaxRefused)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// addQuarantined appends an entry as it stands in the quarantine file.
func (b *batch) addQuarantined(text []byte, keys []*spool.Key) error {
	var q spooled.Refused
	if err := json.Unmarshal(text, &q); err != nil {
		return err
	}
	if len(keys) > 0 && len(q.Sealed) == 0 {
		return errors.New("it is not encrypted, as all in this spool's quarantine is: anybody may have written it")
	}
	if err := q.Open(keys); err != nil {
		return fmt.Errorf("it is encrypted: %w", err)
	}
	i := strings.LastIndex(q.Line, "\tseq=")
	switch {
	case q.Labels == "" || q.Line == "":
		return errors.New("it has no labels or no line")
	case i < 0:
		return errors.New("its line has no sequence number")
	case q.Time <= 0:
		return errors.New("it has no timestamp_ns")
	}
	s := b.stream([]byte(q.Labels))
	s.Add(q.Time, []byte(q.Line[:i]), []byte(q.Line[i:]))
	s.entries = append(s.entries, entry{seq: q.Sequence, time: q.Time, spooled: q.Time, origin: originOf(q), line: i})
	b.count++
	b.largest = max(b.largest, s.Size())
	return nil
}

// originOf is when the request arrived: what the line says, or the entry's time.
func originOf(q spooled.Refused) int64 {
	if _, at, ok := strings.Cut(q.Line[strings.LastIndexByte(q.Line, '\t'):], " at="); ok {
		if ns, err := strconv.ParseInt(at, 10, 64); err == nil {
			return ns
		}
	}
	return q.Time
}
