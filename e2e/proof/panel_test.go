package proof_test

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/proof"
	"github.com/adminsessions/adminsessions/proof/anchor"
	"github.com/adminsessions/adminsessions/proof/verify"
)

// panel is a process of a panel: an exporter with a spool, a key and an anchor.
type panel struct {
	t       *testing.T
	loki    *lokitest.Server
	service string
	spool   string
	keys    []*proof.Key
	anchor  *anchor.File
	exp     *exporter.Exporter
	url     string // where it pushes
}

func newPanel(t *testing.T, loki *lokitest.Server) *panel {
	t.Helper()
	dir := t.TempDir()
	keys, err := proof.MakeKeyFile(filepath.Join(dir, "key"), "panel")
	if err != nil {
		t.Fatal(err)
	}
	file, err := anchor.NewFile(filepath.Join(dir, "anchor"))
	if err != nil {
		t.Fatal(err)
	}
	return &panel{t: t, loki: loki, service: rand.Text(), spool: filepath.Join(dir, "spool"), keys: keys, anchor: file, url: loki.URL()}
}

func (p *panel) start() *panel {
	p.t.Helper()
	var err error
	r := resource.NewSchemaless(attribute.String("service.name", p.service), attribute.String("service.instance.id", "host-1"))
	p.exp, err = exporter.New(exporter.WithResource(r), exporter.WithLoki(adminsessions.Loki{URL: p.url}), exporter.WithSpoolDir(p.spool),
		exporter.WithProof(exporter.Proof{Keys: p.keys, Events: 20, Interval: time.Second, Anchors: []proof.Anchor{p.anchor}}))
	if err != nil {
		p.t.Fatal(err)
	}
	return p
}

func (p *panel) record(n int) *panel {
	p.t.Helper()
	for range n {
		e := adminsessions.Event{Time: time.Now(), Type: adminsessions.API, Method: "DELETE", StatusCode: 204, RequestID: rand.Text(),
			User: adminsessions.User{ID: "2", FullName: "Anna Kowalska", Email: "anna@example.com"}, Action: "clients.delete"}
		if err := p.exp.RecordEvent(p.t.Context(), &e, adminsessions.Spooled); err != nil {
			p.t.Fatal(err)
		}
	}
	return p
}

func (p *panel) flush() *panel {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	if err := p.exp.ForceFlush(ctx); err != nil {
		p.t.Fatal(err)
	}
	return p
}

// stop ends the process in order; what Loki does not take stays in the spool.
func (p *panel) stop() *panel {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := p.exp.Shutdown(ctx); err != nil && p.url == p.loki.URL() {
		p.t.Fatal(err)
	}
	return p
}

// offline has it push where nobody is.
func (p *panel) offline() *panel { p.url = "http://127.0.0.1:9"; return p }
func (p *panel) online() *panel  { p.url = p.loki.URL(); return p }

func (p *panel) verify(anchored bool) *verify.Report {
	p.t.Helper()
	c := verify.Config{Keys: []string{p.keys[0].Public()}, Services: []string{p.service}}
	if anchored {
		c.Anchors = []proof.Archive{p.anchor}
	}
	return check(p.t, p.loki, c)
}

func (p *panel) want(r *verify.Report, complete, unaltered verify.Verdict, logs int) {
	p.t.Helper()
	if r.Complete != complete || r.Unaltered != unaltered || len(r.Logs) != logs {
		p.t.Errorf("want complete %s, unaltered %s, %d logs; got\n%s", complete, unaltered, logs, r.Text())
	}
}

func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	// CopyFS does not keep them, and a spool that others can change is refused.
	err := filepath.WalkDir(to, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := os.FileMode(0o600)
		if d.IsDir() {
			mode = 0o700
		}
		return os.Chmod(path, mode)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A trail that nobody touches proves itself, over restarts, outages and several
// processes.
func TestATrailProvesItself(t *testing.T) {
	loki := lokitest.Start(t)
	p := newPanel(t, loki)
	p.start().record(105).flush().stop()
	p.start().record(30).stop()
	p.offline().start().record(50).stop()
	p.online().start().flush().record(5).stop()
	r := p.verify(true)
	p.want(r, verify.Yes, verify.Yes, 1)
	l := r.Logs[0]
	if l.First != 1 || l.Last < 190 || len(l.Anchors) != 2 || l.Anchors[0].Place != p.anchor.Name() || l.Anchors[0].Size < l.Last || len(l.Foreign)+len(l.Declared) > 0 {
		t.Errorf("%s", r.Text())
	}
	if r.UpTo.Before(time.Now().Add(-time.Minute)) {
		t.Errorf("verified up to %s", r.UpTo)
	}
}

// What is done to the spool between two processes of a panel.
func TestSpoolAttacks(t *testing.T) {
	loki := lokitest.Start(t)
	for name, c := range map[string]struct {
		do    func(t *testing.T, p *panel)
		judge func(t *testing.T, p *panel, r *verify.Report)
	}{
		"removed when all of it is delivered": {func(t *testing.T, p *panel) {
			p.start().record(50).flush().stop()
			must(t, os.RemoveAll(p.spool))
			p.start().record(10).stop()
		}, func(t *testing.T, p *panel, r *verify.Report) {
			// Nothing is lost, but nobody can tell that from a backlog that is.
			p.want(r, verify.Unknown, verify.Yes, 2)
		}},
		"removed with its backlog": {func(t *testing.T, p *panel) {
			p.start().record(50).flush().stop()
			p.offline().start().record(40).stop()
			must(t, os.RemoveAll(p.spool))
			p.online().start().record(10).stop()
		}, func(t *testing.T, p *panel, r *verify.Report) {
			// How much is lost nobody knows: it was in no checkpoint yet.
			p.want(r, verify.Unknown, verify.Yes, 2)
			if text := r.Text(); !strings.Contains(text, "it names no log before it") {
				t.Error(text)
			}
		}},
		"set back to an older copy": {func(t *testing.T, p *panel) {
			p.start().record(50).flush().stop()
			old := filepath.Join(t.TempDir(), "old")
			copyFolder(t, p.spool, old)
			p.start().record(40).flush().stop()
			must(t, os.RemoveAll(p.spool))
			copyFolder(t, old, p.spool)
			p.start().record(60).stop()
		}, func(t *testing.T, p *panel, r *verify.Report) {
			// The copy goes on as a log of its own, so nothing is doubled.
			p.want(r, verify.Yes, verify.Yes, 2)
			if text := r.Text(); !strings.Contains(text, "or the spool was set back to an older state") {
				t.Error(text)
			}
		}},
		"copied to another machine": {func(t *testing.T, p *panel) {
			p.start().record(50).flush().stop()
			other := *p
			other.spool = filepath.Join(t.TempDir(), "copy")
			copyFolder(t, p.spool, other.spool)
			p.start().record(20)
			other.start().record(20)
			p.stop()
			other.stop()
		}, func(t *testing.T, p *panel, r *verify.Report) {
			p.want(r, verify.Yes, verify.Yes, 2)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPanel(t, loki)
			c.do(t, p)
			c.judge(t, p, p.verify(true))
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
