package exporter

import "github.com/adminsessions/adminsessions/proof"

// The shipper's part in the proof: the tree is saved before the spool's cursor
// moves, and checkpoints go to the notary one at a time.

// prove appends a batch that is done with to the tree, and saves that.
func (s *shipper) prove(b *batch) {
	p := s.prover
	if p == nil {
		return
	}
	if s.preceded != nil && p.waiting.IsZero() && p.last == nil && p.tree.Size() == 0 {
		p.waiting = p.now().Add(ancestryPatience)
	}
	p.add(b)
	s.step("added")
	if p.due() {
		p.cut()
	}
	p.save()
	s.step("saved")
}

// attest makes a checkpoint if one is due, and has one signed that waits for it.
func (s *shipper) attest() {
	p := s.prover
	if p == nil {
		return
	}
	select {
	case text := <-s.certified:
		s.tookCertified(text)
	default:
	}
	select {
	case before := <-s.preceded:
		s.tookPredecessor(before)
	default:
	}
	if p.due() {
		p.cut()
	}
	if p.unsaved || p.absences.changed() {
		p.save()
		s.step("checkpoint saved")
	}
	if p.pending != "" && !s.certifying {
		s.certifying = true
		s.notary.certify(p.pending)
	}
}

// tookCertified notes that a checkpoint is in the trail.
func (s *shipper) tookCertified(text string) {
	s.prover.certified(text)
	s.certifying = false
}

// tookPredecessor notes which log was before this one.
func (s *shipper) tookPredecessor(before *proof.Predecessor) {
	s.preceded = nil
	s.prover.precededBy(before)
}

// seal makes a last checkpoint, of everything that was delivered.
func (s *shipper) seal() {
	if s.prover != nil && s.prover.events > 0 {
		s.prover.cut()
		s.attest()
	}
}
