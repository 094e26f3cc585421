package exporter

import (
	"context"
	"time"

	"github.com/adminsessions/adminsessions/internal/notary"
	"github.com/adminsessions/adminsessions/internal/predecessor"
	"github.com/adminsessions/adminsessions/proof"
)

func (x *Exporter) notaryConfig() notary.Config {
	c := x.cfg
	return notary.Config{
		Dir: c.spoolDir, FileKeys: c.spoolKeys, Keys: c.proof.Keys, Events: c.proof.events(), Interval: c.proof.interval(), Anchors: c.proof.Anchors,
		Record: x.trail.Checkpoint, Logger: c.logger, Now: c.now, Step: c.step,
	}
}

// startProof begins to prove, if there is a key.
func (x *Exporter) startProof(ctx context.Context, client lokiClient) error {
	if x.notary == nil {
		x.cfg.logger.Info("the trail does not prove itself: no key is named that signs checkpoints; see ADMINSESSIONS_PROOF_KEY_FILE")
		return nil
	}
	previous, since := x.spool.Predecessor()
	last, before, err := x.notary.Begin(notary.Log{ID: x.spool.ID(), Previous: previous, Since: since, Acked: x.spool.Stats().AckedSeq})
	if err != nil {
		return err
	}
	opened := x.spool.Opened()
	if opened.SetBack {
		x.spoolLost(lostSetBack, "the spool is older than what it has delivered; numbers go on behind that", last)
	}
	if before != nil {
		x.spoolLost(lostVanished, vanishedWords, before)
	}
	// These are not waited for: Loki, a key or an anchor may be far away.
	if reader, ok := client.(predecessor.Loki); ok {
		x.notary.AwaitPredecessor()
		go x.lookBack(ctx, reader, opened.New && before == nil)
	}
	go x.notary.Run(ctx)
	return nil
}

const vanishedWords = "the spool was removed; this log takes the place of another one"

// lookBack finds out from Loki what was before this process.
func (x *Exporter) lookBack(ctx context.Context, reader predecessor.Loki, newLog bool) {
	numbers := x.spool.NextSeq()
	found, ok := predecessor.Ask(ctx, predecessor.Question{
		Loki: reader, LogID: x.spool.ID(), Labels: x.labels, Folder: absolute(x.cfg.spoolDir), New: newLog,
		Keys: notary.Verifiers(x.cfg.proof.Keys), Started: x.cfg.now(), Now: x.cfg.now,
	})
	if !ok {
		return
	}
	x.notary.Precede(found.Checkpoint)
	if found.Own >= numbers {
		x.spoolLost(lostSetBack, "the spool is older than its log in loki: it was restored, with all that tells; numbers are given twice",
			&proof.Predecessor{Origin: proof.OriginPrefix + x.spool.ID(), Size: found.Own})
	}
	if found.LogID != "" {
		before := found.Checkpoint
		if before == nil {
			before = &proof.Predecessor{Origin: proof.OriginPrefix + found.LogID}
		}
		x.spoolLost(lostVanished, vanishedWords, before)
	}
}

// sealTimeout is how long the end waits for the last checkpoint to be signed, and
// to be anchored.
const sealTimeout = 5 * time.Second

// seal brings a last checkpoint of all events into the trail.
func (x *Exporter) seal(ctx context.Context) error {
	if x.notary == nil {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, sealTimeout)
	defer cancel()
	for range 2 { // another checkpoint may be under way
		if err := x.shipper.flush(ctx, x.spool.NextSeq()-1, true, true); err != nil {
			return err
		}
		if x.notary.Wait(limited) != nil {
			return nil // the next start does it
		}
		if err := x.flush(ctx, true); err != nil {
			return err
		}
	}
	limited, cancel = context.WithTimeout(ctx, sealTimeout)
	defer cancel()
	x.notary.WaitAnchored(limited)
	return nil
}
