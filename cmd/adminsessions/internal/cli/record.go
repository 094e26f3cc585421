package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/proof"
)

// recorder opens a spool by which this program itself records in the trail that it
// reads: what it records is numbered, proved and delivered like every other event.
// dir is the spool's folder, or empty for the one of a name below the user's state
// folder.
func (t *Trail) recorder(w *World, dir, name string) (*exporter.Exporter, string, error) {
	if len(t.Services) != 1 {
		return nil, "", usage("give one --service: the trail in which it is recorded")
	}
	dir, err := stateFolder(w, dir, name)
	if err != nil {
		return nil, "", err
	}
	getenv, err := t.environment(w)
	if err != nil {
		return nil, "", err
	}
	to, err := loki.Complete(t.settings(), getenv)
	if err != nil {
		return nil, "", usage("how to reach Loki: %w", oneLine(err))
	}
	labels := []attribute.KeyValue{attribute.String("service.name", t.Services[0])}
	if len(t.Environments) > 0 {
		labels = append(labels, attribute.String("deployment.environment.name", t.Environments[0]))
	}
	if host, err := os.Hostname(); err == nil {
		labels = append(labels, attribute.String("service.instance.id", "adminsessions@"+host))
	}
	keys, err := ownKeys(w, getenv, dir+".key")
	if err != nil {
		return nil, "", usage("the key that signs this program's own events: %w", err)
	}
	exp, err := exporter.New(exporter.WithProof(exporter.Proof{Keys: keys}), exporter.WithLoki(to), exporter.WithSpoolDir(dir), exporter.WithSync(exporter.SyncAlways),
		exporter.WithSpoolLockTimeout(5*time.Second), exporter.WithLogger(w.Logger), exporter.WithResource(resource.NewSchemaless(labels...)))
	if err != nil {
		return nil, "", usage("opening the spool of this program's own events: %w", oneLine(err))
	}
	return exp, dir, nil
}

// ownKeys sign this program's own events, which would otherwise be the part of the
// trail that can't be proved: those that the environment names, as for every
// exporter (nil), or one of its own, made at the first use.
func ownKeys(w *World, getenv func(string) string, file string) ([]*proof.Key, error) {
	for _, name := range []string{"ADMINSESSIONS_PROOF_KEY_FILE", "ADMINSESSIONS_PROOF_KEY", "ADMINSESSIONS_PROOF_COMMAND"} {
		if getenv(name) != "" {
			return nil, nil
		}
	}
	_, err := os.Lstat(file)
	fresh := errors.Is(err, fs.ErrNotExist)
	keys, err := proof.MakeKeyFile(file, "adminsessions-auditor")
	if err == nil && fresh {
		fmt.Fprintf(w.Stderr, "made the key %s, which signs what this program records; verify wants its public half, too: %s\n", file, keys[0].Public())
	}
	return keys, err
}

// stateFolder is a folder below the user's state folder, if none is given.
func stateFolder(w *World, dir, name string) (string, error) {
	if dir != "" {
		return dir, nil
	}
	state := w.Getenv("XDG_STATE_HOME")
	if state == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", usage("--spool: not given, and there is no home folder: %w", err)
		}
		state = filepath.Join(home, ".local", "state")
	}
	dir = filepath.Join(state, "adminsessions", name)
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return "", usage("--spool: not given, and its default can't be made: %w", err)
	}
	return dir, nil
}

// deliver ends a recorder. What Loki does not take within ten seconds stays in the
// spool, and is an error.
func deliver(ctx context.Context, exp *exporter.Exporter, dir string) error {
	flushing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := exp.ForceFlush(flushing)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err = errors.Join(err, exp.Shutdown(ending)); err != nil {
		return &statusError{StatusFailed, fmt.Errorf("it is recorded in %s and not delivered yet; the next time delivers it: %w", dir, oneLine(err))}
	}
	return nil
}
