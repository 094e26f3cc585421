package delivery

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"

	"github.com/grafana/loki/pkg/push"
	"github.com/klauspost/compress/s2"

	"github.com/adminsessions/adminsessions"
)

const (
	bareConnections = 2
	bareBatch       = 4000 // events, about 2 MiB
)

// barePeer encodes events with Loki's own types and pushes them. It tries once.
type barePeer struct {
	url       string
	labels    string
	client    *http.Client
	transport *countingTransport

	mu      sync.Mutex
	current []push.Entry
	full    chan []push.Entry // from emit to the senders; closed by finish
	free    chan []push.Entry // back
	senders sync.WaitGroup
	lost    atomic.Int64
}

func openBare(address string, s stream) *barePeer {
	transport := &countingTransport{next: &http.Transport{MaxIdleConnsPerHost: bareConnections}}
	p := &barePeer{
		url: address + "/loki/api/v1/push", labels: s.labels(), transport: transport,
		client: &http.Client{Transport: transport},
		full:   make(chan []push.Entry), free: make(chan []push.Entry, 2*bareConnections+1),
	}
	for range 2*bareConnections + 1 {
		p.free <- make([]push.Entry, 0, bareBatch)
	}
	p.current = <-p.free
	for range bareConnections {
		p.senders.Go(p.send)
	}
	return p
}

func (p *barePeer) emit(e *adminsessions.Event) error {
	line := e.Line()
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.current)
	p.current = p.current[:n+1]
	p.current[n] = push.Entry{Timestamp: e.Time, Line: line}
	if len(p.current) == bareBatch {
		p.full <- p.current
		p.current = <-p.free
	}
	return nil
}

func (p *barePeer) send() {
	var message, packed []byte
	for batch := range p.full {
		request := push.PushRequest{Streams: []push.Stream{{Labels: p.labels, Entries: batch}}}
		if n := request.Size(); cap(message) < n {
			message = make([]byte, n)
			packed = make([]byte, s2.MaxEncodedLen(n))
		}
		n, err := request.MarshalTo(message[:cap(message)])
		if err != nil {
			panic(err)
		}
		if err := p.push(s2.EncodeSnappy(packed, message[:n])); err != nil {
			p.lost.Add(int64(len(batch)))
			fmt.Fprintln(os.Stderr, "bare:", err)
		}
		p.free <- batch[:0]
	}
}

func (p *barePeer) push(body []byte) error {
	resp, err := p.client.Post(p.url, "application/x-protobuf", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("%s: %s", resp.Status, answer)
	}
	return nil
}

func (p *barePeer) finish(context.Context) error {
	if len(p.current) > 0 {
		p.full <- p.current
	}
	close(p.full)
	p.senders.Wait()
	return nil
}

func (p *barePeer) sent() int64 { return p.transport.bytes.Load() }
