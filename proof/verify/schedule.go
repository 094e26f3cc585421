package verify

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/atomicfile"
	"github.com/adminsessions/adminsessions/internal/loki"
)

// VerifiedAction is the action of the event that says what a scheduled
// verification has found.
const VerifiedAction = "trail.verified"

// Schedule says when a trail is verified again and again. Config is required; its
// From, To and Start are the schedule's own to set.
type Schedule struct {
	Config

	// Interval is the time between two verifications, at least a second. Each goes
	// on where the one before has ended. Default 1 hour.
	Interval time.Duration
	// Whole is the time between two verifications of all that there is: what is
	// deleted or altered after it was verified only these find. Default 7 days.
	Whole time.Duration
	// Retention is after what time Loki deletes events (its retention_period).
	// Zero means never.
	Retention time.Duration

	// StateFile keeps what is verified, so that the next process goes on there. It
	// is worth protecting: it shows when a whole log vanishes. Default none: each
	// process begins with a verification of all that there is.
	StateFile string
	// Sink, unless nil, is given an event trail.verified for each verification.
	Sink adminsessions.Sink
	// Logger is told what is wrong. nil means slog.Default().
	Logger *slog.Logger
}

// Verifier verifies a trail on a [Schedule]. [Verifier.Run] does it, in one
// goroutine, which the caller owns; the other methods may be called from many.
type Verifier struct {
	s      Schedule
	verify func(context.Context, Config) (*Report, error)

	mu     sync.Mutex
	status Status
}

// Status is what a [Verifier] knows.
type Status struct {
	// Runs counts verifications by their result, see [Results].
	Runs map[string]uint64
	// Last is when the last one ended that could read the trail, Took how long it
	// took, and Report what it has found. nil before the first.
	Last   time.Time
	Took   time.Duration
	Report *Report
	// UpTo is the time up to which the trail is proved complete and unaltered, by
	// this or an earlier process. Zero if it is not known.
	UpTo time.Time
	// Err says why the newest one could not read the trail; nil if it could.
	Err error
}

// The results of a verification: everything is as it should be; something is
// missing or altered; too little could be judged; the trail could not be read.
const (
	ResultGood    = "good"
	ResultFinding = "finding"
	ResultUnknown = "unknown"
	ResultError   = "error"
)

// Results are the values of Status.Runs.
func Results() []string { return []string{ResultGood, ResultFinding, ResultUnknown, ResultError} }

// New checks a schedule. The error names every field that is wrong.
func New(s Schedule) (*Verifier, error) {
	s.Interval, s.Whole = cmp.Or(s.Interval, time.Hour), cmp.Or(s.Whole, 7*24*time.Hour)
	if s.Logger == nil {
		s.Logger = slog.Default()
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	var errs []error
	if _, err := s.keys(); err != nil {
		errs = append(errs, err)
	}
	if s.Interval < time.Second || s.Whole < s.Interval {
		errs = append(errs, fmt.Errorf("field Interval: %s, Whole: %s; want at least a second, and Whole not shorter than Interval", s.Interval, s.Whole))
	}
	if s.Retention < 0 {
		errs = append(errs, fmt.Errorf("field Retention: %s; want a positive duration, or 0 for a Loki that deletes nothing", s.Retention))
	}
	if !s.From.IsZero() || !s.To.IsZero() || len(s.Start) > 0 {
		errs = append(errs, errors.New("fields From, To and Start must be zero: the schedule sets them"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("configuration of the verification: %w", err)
	}
	v := &Verifier{s: s, verify: Run}
	v.status.Runs = map[string]uint64{}
	for _, r := range Results() {
		v.status.Runs[r] = 0
	}
	return v, nil
}

// Status returns what is known now.
func (v *Verifier) Status() Status {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.status
	s.Runs = map[string]uint64{}
	maps.Copy(s.Runs, v.status.Runs)
	return s
}

// Run verifies until ctx is done, the first time at once.
func (v *Verifier) Run(ctx context.Context) error {
	state, err := v.load()
	if err != nil {
		return err
	}
	v.setUpTo(state.UpTo)
	again := firstPause
	for {
		pause := v.s.Interval
		if err := v.once(ctx, &state); err == nil {
			again = firstPause
		} else if again < pause {
			pause, again = again, 2*again
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// firstPause is the pause after a verification that could not read the trail. It
// is doubled each time, up to the interval.
const firstPause = time.Minute

// state is what is kept between verifications.
type state struct {
	Whole time.Time         `json:"whole"` // when all that there is was verified
	UpTo  time.Time         `json:"verified_up_to"`
	Logs  map[string]proved `json:"logs"`
}

// proved is how far a log is proved.
type proved struct {
	Checkpoint string    `json:"checkpoint"`
	Time       time.Time `json:"time"`
}

// once verifies once. The error is there if the trail could not be read.
func (v *Verifier) once(ctx context.Context, s *state) error {
	began := v.s.Now()
	c := v.s.Config
	whole := s.Whole.IsZero() || began.Sub(s.Whole) >= v.s.Whole
	if v.s.Retention > 0 {
		c.From = began.Add(-v.s.Retention)
	}
	for id, p := range s.Logs {
		if p.Time.Before(c.From) {
			delete(s.Logs, id)
		} else if !whole {
			c.Start = append(c.Start, p.Checkpoint)
		}
	}
	if whole && len(s.Logs) > 0 {
		// What was verified before must still be there.
		c.Anchors = append(append(c.Anchors[:0:0], c.Anchors...), s.archive())
	}
	report, err := v.verify(ctx, c)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		s.take(report, whole, began)
		err = v.save(s)
	}
	v.note(report, err, began, s.UpTo)
	v.tell(ctx, report, err)
	return err
}

// take notes how far each log is proved. A log in which something is wrong is
// not gone on with behind that: the next verification must find it, too.
func (s *state) take(r *Report, whole bool, at time.Time) {
	if s.Logs == nil {
		s.Logs = map[string]proved{}
	}
	for _, l := range r.Logs {
		if l.Checkpoint != "" {
			s.Logs[l.ID] = proved{l.Checkpoint, l.UpTo}
		}
	}
	if whole {
		s.Whole = at
	}
	if !r.UpTo.IsZero() {
		s.UpTo = r.UpTo
	}
}

func (v *Verifier) setUpTo(t time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status.UpTo = t
}

// note keeps the result for Status.
func (v *Verifier) note(r *Report, err error, began, upTo time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status.Runs[result(r, err)]++
	v.status.Err, v.status.UpTo = err, upTo
	if r != nil {
		v.status.Report, v.status.Last = r, v.s.Now()
		v.status.Took = v.status.Last.Sub(began)
	}
}

func result(r *Report, err error) string {
	switch {
	case r == nil || err != nil:
		return ResultError
	case r.Complete == No || r.Unaltered == No:
		return ResultFinding
	case r.Complete == Unknown || r.Unaltered == Unknown:
		return ResultUnknown
	}
	return ResultGood
}

// tell logs the result, and records it in the trail.
func (v *Verifier) tell(ctx context.Context, r *Report, err error) {
	switch result(r, err) {
	case ResultError:
		v.s.Logger.Error("the trail can't be verified", "error", err)
	case ResultFinding:
		v.s.Logger.Error("the trail is not as it was written", "complete", r.Complete, "unaltered", r.Unaltered, "report", r.Text())
	case ResultUnknown:
		v.s.Logger.Warn("not all of the trail can be judged", "complete", r.Complete, "unaltered", r.Unaltered, "report", r.Text())
	}
	if v.s.Sink == nil {
		return
	}
	e := VerifiedEvent(r, err, v.s.Now())
	if err := v.s.Sink.RecordEvent(ctx, &e, adminsessions.Spooled); err != nil {
		v.s.Logger.Error("the result of a verification can't be recorded", "error", err)
	}
}

// VerifiedEvent is the event that says what a verification has found. r is nil if
// the trail could not be read.
func VerifiedEvent(r *Report, err error, at time.Time) adminsessions.Event {
	e := adminsessions.Event{
		Time: at, Type: adminsessions.Trail, RequestID: rand.Text(), Action: VerifiedAction,
		Actor: adminsessions.Actor{Type: adminsessions.ActorSystem},
	}
	switch result(r, err) {
	case ResultGood:
		e.Outcome, e.Note = adminsessions.OutcomeSuccess, "the trail is complete and unaltered"
		if r.Complete == Accepted || r.Unaltered == Accepted {
			e.Note += ", but for what is accepted: " + r.acceptedInWords()
		}
	case ResultFinding:
		e.Outcome, e.Note = adminsessions.OutcomeFailure, "the trail is not as it was written"
	case ResultUnknown:
		e.Outcome, e.Note = adminsessions.OutcomeError, "not all of the trail can be judged"
	default:
		e.Outcome, e.Note = adminsessions.OutcomeError, "the trail can't be verified"
	}
	if failure, ok := errors.AsType[*loki.Error](err); ok {
		e.Note += ": Loki: " + string(failure.Kind) // what it said is for the log alone
	} else if err != nil {
		e.Note += ": " + err.Error()
	}
	if r == nil {
		return e
	}
	n := r.Findings()
	e.Attributes = []attribute.KeyValue{
		attribute.String("complete", string(r.Complete)), attribute.String("unaltered", string(r.Unaltered)),
		attribute.Int64("logs", int64(len(r.Logs))), attribute.Int64("entries", int64(r.Entries)), attribute.Int64("checkpoints", int64(r.Checkpoints)),
	}
	if !r.UpTo.IsZero() {
		e.Attributes = append(e.Attributes, attribute.String("up_to", r.UpTo.UTC().Format(time.RFC3339Nano)))
	}
	for _, kind := range Kinds() {
		if n[kind] > 0 {
			e.Attributes = append(e.Attributes, attribute.Int64(kind, int64(n[kind])))
		}
	}
	return e
}

func (v *Verifier) load() (s state, err error) {
	if v.s.StateFile == "" {
		return s, nil
	}
	b, err := os.ReadFile(v.s.StateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		return s, fmt.Errorf("reading what is verified; without the file %s all is verified anew: %w", v.s.StateFile, err)
	}
	return s, nil
}

func (v *Verifier) save(s *state) error {
	if v.s.StateFile == "" {
		return nil
	}
	b, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return err
	}
	if err := atomicfile.Write(v.s.StateFile, append(b, '\n')); err != nil {
		return fmt.Errorf("keeping what is verified: %w", err)
	}
	return nil
}
