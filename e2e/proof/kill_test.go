package proof_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/internal/childproc"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/proof"
	"github.com/adminsessions/adminsessions/proof/anchor"
	"github.com/adminsessions/adminsessions/proof/verify"
)

// childVariable makes the test's program a panel that records until it is killed:
// the folder, Loki's address and the service, separated by spaces.
const childVariable = "ADMINSESSIONS_TEST_PANEL"

func TestMain(m *testing.M) {
	if words := strings.Fields(os.Getenv(childVariable)); len(words) == 3 {
		fmt.Fprintln(os.Stderr, recordUntilKilled(words[0], words[1], words[2]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func recordUntilKilled(dir, loki, service string) error {
	keys, err := proof.ReadKeyFile(filepath.Join(dir, "key"))
	if err != nil {
		return err
	}
	file, err := anchor.NewFile(filepath.Join(dir, "anchor"))
	if err != nil {
		return err
	}
	exp, err := exporter.New(exporter.WithLoki(adminsessions.Loki{URL: loki}), exporter.WithSpoolDir(filepath.Join(dir, "spool")),
		exporter.WithResource(resource.NewSchemaless(attribute.String("service.name", service), attribute.String("service.instance.id", "host-1"))),
		exporter.WithProof(exporter.Proof{Keys: keys, Events: 50, Interval: time.Second, Anchors: []proof.Anchor{file}}))
	if err != nil {
		return err
	}
	fmt.Println("recording")
	for tick := time.Tick(200 * time.Microsecond); ; <-tick {
		e := adminsessions.Event{Time: time.Now(), Type: adminsessions.API, Method: "POST", StatusCode: 200, RequestID: rand.Text()}
		if err := exp.RecordEvent(context.Background(), &e, adminsessions.Spooled); err != nil {
			return err
		}
	}
}

// A panel that is killed again and again, at any moment, has one log, which proves
// itself to the end.
func TestKilled(t *testing.T) {
	const rounds = 12
	loki := lokitest.Start(t)
	p := newPanel(t, loki)
	dir := filepath.Dir(p.spool)
	for round := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childVariable+"="+dir+" "+loki.URL()+" "+p.service)
		cmd.Stderr = os.Stderr
		childproc.Bind(cmd, syscall.SIGKILL)
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		buf := make([]byte, 1)
		if _, err := out.Read(buf); err != nil {
			t.Fatal("the panel did not start", err)
		}
		<-time.After(time.Duration(17*round*round%700) * time.Millisecond)
		must(t, cmd.Process.Kill())
		_ = cmd.Wait()
	}
	p.start().flush().record(5).stop()
	r := p.verify(true)
	p.want(r, verify.Yes, verify.Yes, 1)
	l := r.Logs[0]
	if l.First != 1 || l.Last < rounds || len(l.Declared) > 0 || len(l.Foreign) > 0 {
		t.Errorf("%s", r.Text())
	}
	t.Logf("%d events, %d checkpoints", l.Last, l.Checkpoints)
}
