package capacity

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/grafana/loki/pkg/push"
	"github.com/klauspost/compress/s2"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
)

// services is how many services a fleet's panels belong to.
const services = 100

// fleet is a number of panels, each with a log of its own. What it pushes are the
// exporter's lines under the exporter's labels.
type fleet struct {
	client *loki.Client
	labels []string
	seq    []uint64 // of the last event of each panel
	events []adminsessions.Event
	random *rand.Rand
	buf    []byte
}

func newFleet(t testing.TB, url string, panels int) *fleet {
	t.Helper()
	client, err := loki.New(adminsessions.Loki{URL: url, Timeout: 2 * time.Minute}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	f := &fleet{client: client, labels: make([]string, panels), seq: make([]uint64, panels), random: rand.New(rand.NewPCG(5, 6))}
	for i := range f.labels {
		id := md5.Sum(fmt.Append(nil, i))
		f.labels[i] = fmt.Sprintf(`{audit_log_id="%s", deployment_environment_name="production", service_instance_id="panel-%06d", service_name="fleet-%02d"}`,
			hex.EncodeToString(id[:]), i, i%services)
	}
	routes := []struct{ method, path, route, action string }{
		{"GET", "/admin/clients", "/admin/clients", "clients.list"},
		{"GET", "/admin/api/clients/%d", "/admin/api/clients/{id}", "clients.read"},
		{"PUT", "/admin/api/clients/%d", "/admin/api/clients/{id}", "clients.update"},
		{"POST", "/admin/api/services/%d/restart", "/admin/api/services/{id}/restart", "services.restart"},
		{"DELETE", "/admin/api/invoices/%d", "/admin/api/invoices/{id}", "invoices.delete"},
	}
	for i := range 1000 {
		r := routes[i%len(routes)]
		path := r.path
		if i%len(routes) > 0 {
			path = fmt.Sprintf(path, i*7919)
		}
		f.events = append(f.events, adminsessions.Event{
			Stage: adminsessions.Complete, Type: adminsessions.API, Method: r.method, Action: r.action, Outcome: adminsessions.OutcomeSuccess,
			User:          adminsessions.User{ID: fmt.Sprint(i % 40), FullName: fmt.Sprintf("Administrator %d", i%40), Email: fmt.Sprintf("admin%d@example.com", i%40)},
			ClientAddress: netip.AddrFrom4([4]byte{10, 2, byte(i), byte(i * 31)}),
			URL:           "https://panel.example.com" + path, Route: r.route, StatusCode: []int{200, 200, 200, 201, 404, 500}[i%6],
			Duration: time.Duration(i*104_729) * time.Nanosecond, SessionID: fmt.Sprintf("%032x", i*2_654_435_761),
			UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		})
	}
	return f
}

// line is the next line of a panel.
func (f *fleet) line(panel int) []byte {
	e := f.events[f.random.IntN(len(f.events))]
	e.RequestID = fmt.Sprintf("%016x", f.random.Uint64())
	f.seq[panel]++
	f.buf = e.AppendLine(f.buf[:0])
	f.buf = adminsessions.AppendSequence(f.buf, f.seq[panel], time.Time{})
	return f.buf
}

// message is a push of one event of one panel, as an exporter's is.
func (f *fleet) message(panel int, at time.Time) []byte {
	var s loki.Stream
	s.Reset([]byte(f.labels[panel]))
	s.Add(at.UnixNano(), f.line(panel), nil)
	return s.Message(0, 1)
}

// fill gives each panel events in the time from (inclusive) to to (exclusive), in
// pushes of many streams: what an exporter never does, because Loki's answer does
// not tell what of it was refused. So who fills has to count.
func (f *fleet) fill(ctx context.Context, events int, from, to time.Time) error {
	const most = 4000 // events of a push, 2 MiB
	step := to.Sub(from) / time.Duration(events)
	for panel := 0; panel < len(f.labels); {
		var request push.PushRequest
		for n := 0; n < most && panel < len(f.labels); panel++ {
			if n > 0 && n+events > most {
				break
			}
			jitter := time.Duration(f.random.Int64N(int64(step)))
			for first := 0; first < events; first += most {
				s := push.Stream{Labels: f.labels[panel]}
				for i := first; i < min(events, first+most); i++ {
					s.Entries = append(s.Entries, push.Entry{Timestamp: from.Add(time.Duration(i)*step + jitter), Line: string(f.line(panel))})
				}
				request.Streams = append(request.Streams, s)
				if n += len(s.Entries); n >= most {
					if err := f.send(ctx, &request); err != nil {
						return err
					}
					n = 0
				}
			}
		}
		if err := f.send(ctx, &request); err != nil {
			return err
		}
	}
	return nil
}

func (f *fleet) send(ctx context.Context, request *push.PushRequest) error {
	if len(request.Streams) == 0 {
		return nil
	}
	message, err := request.Marshal()
	if err != nil {
		return fmt.Errorf("encoding a push of %d streams: %w", len(request.Streams), err)
	}
	request.Streams = request.Streams[:0]
	for {
		switch a := f.client.Push(ctx, s2.EncodeSnappy(nil, message)); {
		case a.Err == nil:
			return nil
		case a.Verdict != loki.Throttled:
			return fmt.Errorf("pushing many streams: %w", a.Err)
		}
		select { // the rate limit
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
