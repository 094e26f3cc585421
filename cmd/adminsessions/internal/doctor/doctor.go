// Package doctor examines a Loki for everything in which it would lose, double,
// hide or falsify an event of the trail: whether it is there and lets us in, what
// its settings do to a trail, and what the trail in it looks like.
//
// It asks only what changes nothing in Loki. With Probe it also pushes entries
// that Loki is to refuse, because its answer tells a limit.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// Effect is what a finding does to the trail.
type Effect string

// The effects.
const (
	None      Effect = "none"      // all is well
	Loses     Effect = "loses"     // events are lost, or can't be delivered
	Doubles   Effect = "doubles"   // events stand there twice
	Hides     Effect = "hides"     // events are there and not found
	Falsifies Effect = "falsifies" // events are changed
	Slows     Effect = "slows"     // nothing is lost, but waits
	Unknown   Effect = "unknown"   // it could not be examined
)

// Grave reports whether the trail itself suffers.
func (e Effect) Grave() bool {
	return e == Loses || e == Doubles || e == Hides || e == Falsifies
}

// Finding is what one examination has found.
type Finding struct {
	// Of is what was examined: a setting of Loki as it stands in its
	// configuration, or a few words.
	Of     string `json:"of"`
	Effect Effect `json:"effect"`
	Found  string `json:"found"`
	// Why is what that does to the trail, Do what to set or to see to.
	Why string `json:"why,omitempty"`
	Do  string `json:"do,omitempty"`
}

// Options say what is examined.
type Options struct {
	Client *loki.Client
	Store  *trail.Store
	Now    func() time.Time
	// Keep is how long the trail is to be kept; 0 is not known.
	Keep time.Duration
	// Probe also pushes entries that Loki refuses.
	Probe bool
}

// Examine examines a Loki. The error is one of the connection: then nothing else
// could be examined, and the findings tell why.
func Examine(ctx context.Context, o Options) (findings []Finding, err error) {
	e := &examination{Options: o}
	if err := e.connection(ctx); err != nil {
		return e.findings, err
	}
	e.pushing(ctx)
	e.deleting(ctx)
	e.clock()
	e.measure(ctx)
	e.settings(ctx)
	if o.Probe {
		e.probe(ctx)
	}
	e.trail(ctx)
	return e.findings, ctx.Err()
}

type examination struct {
	Options
	findings []Finding

	// Of the last day: the numbers of its logs, or why they are not known, and the
	// load that they tell.
	logs    []trail.LogNumbers
	logsErr error
	load    Load
}

// measure looks how much the trail asks of Loki.
func (e *examination) measure(ctx context.Context) {
	now := e.Now().Truncate(time.Millisecond)
	last := trail.Window{From: now.Add(-day), To: now.Add(trail.Ahead)}
	e.logs, e.logsErr = e.Store.Numbers(ctx, last)
	e.load = Load{Panels: float64(len(e.logs)), Peak: DefaultPeak, LineBytes: DefaultLineBytes, Copies: 1}
	for i := range e.logs {
		e.load.PerDay += float64(e.logs[i].Events)
	}
	if e.logsErr != nil { // maybe because there are too many
		if streams, err := e.Store.Logs(ctx, last); err == nil {
			e.load.Panels = float64(len(streams))
		}
	}
}

func (e *examination) add(f Finding) { e.findings = append(e.findings, f) }

func (e *examination) well(of, format string, args ...any) {
	e.add(Finding{Of: of, Effect: None, Found: fmt.Sprintf(format, args...)})
}

// connection looks whether Loki is there and answers questions.
func (e *examination) connection(ctx context.Context) error {
	address := e.Client.QueryURL()
	version, err := e.Client.Version(ctx)
	if err != nil {
		e.add(Finding{Of: "Loki at " + address, Effect: Unknown, Found: said(err), Do: connectionAdvice(err)})
		return err
	}
	switch {
	case version == "":
		e.add(Finding{Of: "Loki at " + address, Effect: Unknown, Found: "it does not say which version it is", Do: "is it Loki, or a proxy in front of it?"})
	case version[0] == '1' || version[0] == '2':
		e.add(Finding{Of: "Loki at " + address, Effect: Doubles, Found: "version " + version,
			Why: "versions before 3.0 were not tried with this trail", Do: "use Loki 3.0 or later"})
	default:
		e.well("Loki at "+address, "version %s", version)
	}
	now := e.Now()
	services, err := e.Client.LabelValues(ctx, "service_name", "", now.Add(-7*24*time.Hour), now)
	if err != nil {
		e.add(Finding{Of: "questions", Effect: Unknown, Found: said(err), Do: connectionAdvice(err)})
		return err
	}
	e.well("questions", "answered; %d services in the last week", len(services))
	return nil
}

// said is an error in few words.
func said(err error) string {
	if refusal, ok := errors.AsType[*loki.Error](err); ok {
		if refusal.Status != 0 {
			return fmt.Sprintf("%d: %s", refusal.Status, refusal.Detail)
		}
		return refusal.Detail
	}
	return err.Error()
}

func connectionAdvice(err error) string {
	refusal, ok := errors.AsType[*loki.Error](err)
	if !ok {
		return ""
	}
	switch refusal.Status {
	case 0:
		return "is it the right address, and does something listen there? See --loki-url, --loki-ca-file, --loki-proxy-url"
	case 401, 403:
		return "see --loki-tenant-id and the credentials: --loki-username, --loki-password-file, --loki-bearer-token-file"
	case 404:
		return "the address is not Loki's base address, or a gateway does not let /loki/api/v1 through"
	}
	return ""
}

// pushing looks whether the exporter would be let in.
func (e *examination) pushing(ctx context.Context) {
	const of = "pushing"
	refusal := e.Client.TryPush(ctx)
	switch {
	case refusal == nil:
		e.well(of, "allowed at %s", e.Client.URL())
	case refusal.Status == 0:
		e.add(Finding{Of: of, Effect: Loses, Found: refusal.Text, Why: "the spool fills up as long as nothing can be delivered", Do: "see --loki-url and the network"})
	case refusal.Status == 401 || refusal.Status == 403 || refusal.Status == 405:
		e.add(Finding{Of: of, Effect: Unknown, Found: fmt.Sprintf("refused with %d: %s", refusal.Status, refusal.Text),
			Why: "with these credentials nothing can be delivered; fine if they are only for reading", Do: "examine with the exporter's own credentials, too"})
	default:
		e.add(Finding{Of: of, Effect: Loses, Found: fmt.Sprintf("answered with %d: %s", refusal.Status, refusal.Text),
			Why: "the exporter would hold the trail back", Do: "see --loki-url: it is where pushes go"})
	}
}

// deleting looks whether the deletion of entries is open to whoever asks.
func (e *examination) deleting(ctx context.Context) {
	const of = "deleting"
	switch may, known := e.Client.MayDelete(ctx); {
	case may:
		e.add(Finding{Of: of, Effect: Loses, Found: "the API for it answers",
			Why: "whoever has these credentials, or reaches Loki as this machine does, deletes entries from the trail", Do: "limits_config.deletion_mode: disabled; or keep /loki/api/v1/delete behind a gateway"})
	case !known:
		e.add(Finding{Of: of, Effect: Unknown, Found: "it can't be told whether the API for it is open"})
	default:
		e.well(of, "not open to these credentials")
	}
}

// clock compares Loki's clock with this machine's.
func (e *examination) clock() {
	const of = "clocks"
	switch skew := e.Client.Skew(); {
	case skew.Abs() >= 10*time.Minute:
		e.add(Finding{Of: of, Effect: Hides, Found: "Loki's clock differs from this machine's by " + skew.String(),
			Why: "events of a panel with this clock stand at a time that is not theirs", Do: "set the clock that is wrong (timedatectl, chronyc tracking)"})
	case skew.Abs() >= 5*time.Second:
		e.add(Finding{Of: of, Effect: Slows, Found: "Loki's clock differs from this machine's by " + skew.String(),
			Why: "nothing is lost; views of the last minutes are off by that much", Do: "set the clock that is wrong (timedatectl, chronyc tracking)"})
	default:
		e.well(of, "agree to a second or two")
	}
}

// trail looks at the trail itself.
func (e *examination) trail(ctx context.Context) {
	now := e.Now().Truncate(time.Millisecond)
	week := trail.Window{From: now.Add(-7 * 24 * time.Hour), To: now.Add(trail.Ahead)}
	if n, err := e.Store.Sharded(ctx, week); err != nil {
		e.add(Finding{Of: "shards", Effect: Unknown, Found: said(err)})
	} else if n > 0 {
		e.add(Finding{Of: "shards", Effect: Doubles, Found: fmt.Sprintf("%d streams of the last week are shards", n),
			Why: "a batch that was sent again after a lost answer can stand in two shards: its events are listed twice", Do: "limits_config.shard_streams.enabled: false"})
	} else {
		e.well("shards", "none in the last week")
	}
	logs := e.logs
	if e.logsErr != nil {
		e.add(Finding{Of: "trail", Effect: Unknown, Found: said(e.logsErr)})
		return
	}
	if len(logs) == 0 {
		e.add(Finding{Of: "trail", Effect: Unknown, Found: "no event within the last day", Do: "is a panel recording, with the same Loki, tenant and service?"})
		return
	}
	bad := 0
	for i := range logs {
		bad += e.log(&logs[i])
	}
	if bad == 0 {
		e.well("trail", "%d logs in the last day, none with a gap", len(logs))
	}
}

// log looks at the numbers of one log.
func (e *examination) log(n *trail.LogNumbers) (bad int) {
	of := fmt.Sprintf("log %.8s of %s, %s", n.Log, n.Service, n.Instance)
	switch missing := n.Missing(); {
	case missing > 0:
		e.add(Finding{Of: of, Effect: Loses, Found: fmt.Sprintf("%d of %d numbers of the last day are missing", missing, n.Last-n.First+1),
			Why: "dropped, damaged, in quarantine, or not answered with", Do: "adminsessions verify tells which; ask again in a minute"})
	case missing < 0:
		e.add(Finding{Of: of, Effect: Doubles, Found: fmt.Sprintf("%d entries more than numbers in the last day", -missing),
			Why: "a push that was sent again is counted twice for some hours; a copied spool for good", Do: "ask again later; if it stays, look for a spool that was copied"})
	default:
		return 0
	}
	return 1
}
