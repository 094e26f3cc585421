package exporter

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/spool"
)

// policyFile holds the id of the log and the digest of the policy that was
// recorded last in it: a copy of the spool is a log of its own.
const policyFile = "policy"

// RecordPolicy records what a middleware records, unless digest is that of the
// policy that the spool has recorded last. Package instrumentation calls it when a
// middleware is made.
func (x *Exporter) RecordPolicy(ctx context.Context, ev *adminsessions.Event, digest string) error {
	x.policy.Lock()
	defer x.policy.Unlock()
	path, known := filepath.Join(x.cfg.spoolDir, policyFile), x.spool.ID()+" "+digest+"\n"
	if kept, err := spool.ReadPlain(path); err == nil && string(kept) == known {
		return nil
	}
	if err := x.RecordEvent(ctx, ev, adminsessions.Spooled); err != nil {
		return err
	}
	if err := writePlain(path, known); err != nil {
		return fmt.Errorf("keeping which policy was recorded, which will be recorded again: %w", err)
	}
	return nil
}

// RecordPolicy is [Exporter.RecordPolicy].
func (p *LoggerProvider) RecordPolicy(ctx context.Context, ev *adminsessions.Event, digest string) error {
	return p.exporter.RecordPolicy(ctx, ev, digest)
}

// writePlain puts a small file of the spool's folder in the place of the last
// one. Half a file is as good as none.
func writePlain(path, content string) error {
	f, err := spool.OpenPlain(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
