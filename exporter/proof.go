package exporter

import (
	"fmt"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions/internal/credential"
	"github.com/adminsessions/adminsessions/proof"
	"github.com/adminsessions/adminsessions/proof/anchor"
)

// Proof says how the trail proves that nothing is missing from it and nothing was
// altered: by checkpoints, signed with a key. Without a key there are none.
type Proof struct {
	// Keys sign the checkpoints, each of them every one; see [proof.ReadKeyFile],
	// [proof.CommandKey] and [proof.MakeKeyFile].
	Keys []*proof.Key
	// Events is after how many events a checkpoint is made, 1 to 1,000,000,
	// default 10,000. Interval is after what time, if there were any, 1 s to 24
	// hours, default 1 minute. There is one more after a start and at the end.
	Events   int
	Interval time.Duration
	// Anchors are places that this machine can't rewrite. Each is brought every
	// checkpoint. Their names must differ.
	Anchors []proof.Anchor
}

const (
	defaultProofEvents   = 10_000
	defaultProofInterval = time.Minute
)

// WithProof has the trail prove itself. Default: with the keys named by
// ADMINSESSIONS_PROOF_KEY_FILE (a file of private keys), ADMINSESSIONS_PROOF_KEY
// (the keys themselves), or ADMINSESSIONS_PROOF_COMMAND (a command that signs, its
// words separated by spaces) with ADMINSESSIONS_PROOF_PUBLIC_KEY; not at all if
// none of them is set. Default for Anchors: the places that
// ADMINSESSIONS_PROOF_ANCHORS names, separated by commas, each a file or the
// https address of a server as in [anchor.New], with the token in
// ADMINSESSIONS_PROOF_ANCHOR_TOKEN_FILE for the servers.
func WithProof(p Proof) Option { return func(c *config) { c.proof = p } }

func (p *Proof) on() bool { return len(p.Keys) > 0 }

func (p *Proof) events() uint64 {
	if p.Events == 0 {
		return defaultProofEvents
	}
	return uint64(p.Events)
}

func (p *Proof) interval() time.Duration {
	if p.Interval == 0 {
		return defaultProofInterval
	}
	return p.Interval
}

// readProof reads the keys and the anchors that the environment names, if the
// options name none.
func (c *config) readProof(getenv func(string) string) {
	if !c.proof.on() {
		c.readProofKeys(getenv)
	}
	if len(c.proof.Anchors) == 0 {
		c.readAnchors(getenv)
	}
}

func (c *config) readAnchors(getenv func(string) string) {
	const variable = "ADMINSESSIONS_PROOF_ANCHORS"
	for place := range strings.SplitSeq(getenv(variable), ",") {
		if place = strings.TrimSpace(place); place == "" {
			continue
		}
		a, err := anchor.New(place, strings.TrimSpace(getenv("ADMINSESSIONS_PROOF_ANCHOR_TOKEN_FILE")))
		if err != nil {
			c.fail("%s: %w", variable, err)
			continue
		}
		c.proof.Anchors = append(c.proof.Anchors, a)
	}
}

func (c *config) readProofKeys(getenv func(string) string) {
	const inFile, itself, command = "ADMINSESSIONS_PROOF_KEY_FILE", "ADMINSESSIONS_PROOF_KEY", "ADMINSESSIONS_PROOF_COMMAND"
	name, value, err := credential.OneOf(getenv, inFile, itself, command)
	switch name {
	case inFile:
		c.proof.Keys, err = proof.ReadKeyFile(value)
	case itself:
		c.proof.Keys, err = proof.ReadKeys(value)
	case command:
		var k *proof.Key
		if k, err = proof.CommandKey(getenv("ADMINSESSIONS_PROOF_PUBLIC_KEY"), strings.Fields(value)...); err == nil {
			c.proof.Keys = []*proof.Key{k}
		}
	}
	switch {
	case err != nil && name == "":
		c.fail("%w", err)
	case err != nil:
		c.fail("%s: %w", name, err)
	}
}

func (c *config) validateProof() {
	p := &c.proof
	between(c, "WithProof: Events", p.events(), 1, 1_000_000)
	between(c, "WithProof: Interval", p.interval(), time.Second, 24*time.Hour)
	names := map[string]bool{}
	for i, a := range p.Anchors {
		switch {
		case a == nil:
			c.fail("WithProof: Anchors: number %d is nil", i+1)
		case names[a.Name()]:
			c.fail("WithProof: Anchors: two are named %q; want each once", a.Name())
		default:
			names[a.Name()] = true
		}
	}
	for i, k := range p.Keys {
		if k == nil {
			c.fail("WithProof: Keys: number %d is nil", i+1)
		}
	}
	if len(p.Anchors) > 0 && !p.on() {
		c.fail("WithProof: Anchors: there is no key to sign what they are to keep; want Keys, or ADMINSESSIONS_PROOF_KEY_FILE, _KEY or _COMMAND")
	}
}

// proofWords says how the trail proves itself, for the log.
func (p *Proof) words() string {
	if !p.on() {
		return "off"
	}
	names := make([]string, len(p.Keys))
	for i, k := range p.Keys {
		names[i] = k.Name()
	}
	return fmt.Sprintf("signed by %s", strings.Join(names, ", "))
}
