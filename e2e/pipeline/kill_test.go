package pipeline

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"
)

var kills = flag.Int("kills", 60, "how often TestKill kills the sending process")

// TestKill kills the sending process with SIGKILL again and again, while two
// goroutines record events, on one spool. Every event that RecordEvent had
// accepted is delivered by a later start.
//
// The moments are random: while the process starts and opens the spool, and
// after a random number of accepted events, which falls anywhere between a
// write, a push, an answer and the cursor. The way to Loki is slow now and then
// and loses answers, so that there are pushes under way when the process dies.
func TestKill(t *testing.T) {
	rnd := random(t)
	loki := startLoki(t)
	proxy := startProxy(t, loki)
	proxy.inject(unsteady(rnd.Uint64()))

	config := senderConfig{
		Endpoint: proxy.URL, SpoolDir: t.TempDir(), Instance: "killed", EventsPerSecond: 3000,
	}
	want := expectation{resent: true}
	for i := range *kills {
		config.Name = fmt.Sprint(i)
		s := startSender(t, config)
		if rnd.IntN(4) == 0 {
			<-time.After(time.Duration(rnd.IntN(int(60 * time.Millisecond))))
		} else {
			n := int64(1 + rnd.IntN(700))
			await(t, fmt.Sprintf("%d events of sender %d", n, i), func() bool { return s.count.Load() >= n })
		}
		want.accepted = append(want.accepted, s.kill(t)...)
		want.unknown += writers
	}

	config.EventsPerSecond = 0
	startSender(t, config).wait(t)
	newTrail(loki, config.Instance).verify(t, want)
}

// unsteady is a way to Loki that is slow now and then and loses answers.
func unsteady(seed uint64) fault {
	var mu sync.Mutex
	rnd := rand.New(rand.NewPCG(seed, 0))
	return func(w http.ResponseWriter, r *http.Request, forward func(http.ResponseWriter)) {
		mu.Lock()
		delay, lose := time.Duration(rnd.IntN(int(20*time.Millisecond))), rnd.IntN(8) == 0
		mu.Unlock()
		<-time.After(delay)
		if lose {
			loseAnswer(w, r, forward)
			return
		}
		forward(w)
	}
}
