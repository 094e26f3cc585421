package flood

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// cheapest is the cheapest request, of 27 bytes.
const cheapest = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

// pipelined is how many requests a connection sends before it reads answers.
const pipelined = 64

// flooder sends requests as fast as they are answered, until stop is closed.
type flooder struct {
	b        testing.TB
	address  string
	sources  int // addresses that take part in turn; 1 for one
	answered atomic.Int64
	running  sync.WaitGroup
	stop     chan struct{}
}

func startFlood(b testing.TB, address string, connections, sources int) *flooder {
	f := &flooder{b: b, address: address, sources: sources, stop: make(chan struct{})}
	for i := range connections {
		f.running.Go(func() { f.connection(i, connections) })
	}
	return f
}

// end stops the flood once all that was sent is answered.
func (f *flooder) end() int64 {
	close(f.stop)
	f.running.Wait()
	return f.answered.Load()
}

func (f *flooder) connection(i, connections int) {
	for source := i; ; source += connections {
		rounds := -1
		if f.sources > 1 {
			rounds = 1
		}
		if !f.send(source, rounds) {
			return
		}
	}
}

// send floods over one connection, rounds times or for ever, and reports
// whether the flood goes on.
func (f *flooder) send(source, rounds int) bool {
	d := net.Dialer{}
	if f.sources > 1 { // all of 127.0.0.0/8 is this machine
		n := source % f.sources
		d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 1, byte(n>>8), byte(n))}
	}
	conn, err := d.Dial("tcp", f.address)
	if err != nil {
		f.b.Errorf("flood: %v", err)
		return false
	}
	defer conn.Close()
	requests := bytes.Repeat([]byte(cheapest), pipelined)
	answers := bufio.NewReaderSize(conn, 64<<10)
	for ; rounds != 0; rounds-- {
		select {
		case <-f.stop:
			return false
		default:
		}
		if _, err := conn.Write(requests); err != nil {
			f.b.Errorf("flood: %v", err)
			return false
		}
		for got := 0; got < pipelined; {
			line, err := answers.ReadSlice('\n')
			if err != nil {
				f.b.Errorf("flood: %v", err)
				return false
			}
			if len(line) == 2 { // the end of an answer without a body
				got++
			}
		}
		f.answered.Add(pipelined)
	}
	return true
}

// administrators make requests at a steady rate over connections of their own.
type administrators struct {
	b       testing.TB
	address string
	phase   string
	took    durations
	sent    atomic.Int64
	running sync.WaitGroup
	stop    chan struct{}
}

const adminConnections = 2

func startAdministrators(b testing.TB, address, phase string) *administrators {
	a := &administrators{b: b, address: address, phase: phase, stop: make(chan struct{})}
	for range adminConnections {
		a.running.Go(a.work)
	}
	return a
}

func (a *administrators) work() {
	client := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(adminConnections * time.Second / time.Duration(*rateFlag))
	defer tick.Stop()
	for {
		select {
		case <-a.stop:
			return
		case <-tick.C:
		}
		url := fmt.Sprintf("http://%s/admin/%s/%d", a.address, a.phase, a.sent.Add(1))
		start := time.Now()
		resp, err := client.Post(url, "", nil)
		if err != nil {
			a.b.Errorf("administrator: %v", err)
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		a.took.add(time.Since(start))
		if resp.StatusCode != http.StatusCreated {
			a.b.Errorf("administrator: answered %s", resp.Status)
			return
		}
	}
}

func (a *administrators) end() quantiles {
	close(a.stop)
	a.running.Wait()
	return a.took.quantiles()
}

// durations collects measurements.
type durations struct {
	mu  sync.Mutex
	all []time.Duration
}

func (d *durations) add(v time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, v)
}

type quantiles struct {
	N             int
	P50, P99, Max time.Duration
}

func (d *durations) quantiles() quantiles {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.all) == 0 {
		return quantiles{}
	}
	v := slices.Sorted(slices.Values(d.all))
	return quantiles{N: len(v), P50: v[len(v)/2], P99: v[len(v)*99/100], Max: v[len(v)-1]}
}
