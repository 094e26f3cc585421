package proofconfig

import (
	"fmt"
	"strings"

	"github.com/adminsessions/adminsessions/proof/anchor"
)

// Words are what a section comes to, with the environment behind it: who signs the
// checkpoints, empty if nobody does, and the names of the anchors.
type Words struct {
	Signed  string   `json:"signed_by,omitempty"`
	Anchors []string `json:"anchors,omitempty"`
}

// InWords says what the section comes to, once it has been checked.
func (p *Proof) InWords(getenv func(string) string) (w Words, err error) {
	keys, err := p.Keys()
	if err != nil {
		return w, err
	}
	var names []string
	for _, k := range keys {
		names = append(names, k.Name())
	}
	for _, name := range []string{"KEY_FILE", "KEY", "COMMAND"} {
		if v := "ADMINSESSIONS_PROOF_" + name; len(keys) == 0 && strings.TrimSpace(getenv(v)) != "" {
			names = append(names, "what "+v+" names")
		}
	}
	w.Signed = strings.Join(names, ", ")
	for i := range p.Anchors {
		a, err := p.Anchors[i].check(keys)
		if err != nil {
			return w, fmt.Errorf("anchors[%d]: %w", i, err)
		}
		w.Anchors = append(w.Anchors, a.Name())
	}
	if len(p.Anchors) == 0 {
		const variable = "ADMINSESSIONS_PROOF_ANCHORS"
		for place := range strings.SplitSeq(getenv(variable), ",") {
			if place = strings.TrimSpace(place); place == "" {
				continue
			}
			// As the exporter will; the address itself may hold what nobody should read.
			a, err := anchor.New(place, strings.TrimSpace(getenv("ADMINSESSIONS_PROOF_ANCHOR_TOKEN_FILE")))
			if err != nil {
				return w, fmt.Errorf("%s: %w", variable, err)
			}
			w.Anchors = append(w.Anchors, a.Name())
		}
	}
	return w, nil
}

// String is what "adminsessions proxy check" says.
func (w Words) String() string {
	switch {
	case w.Signed == "" && len(w.Anchors) > 0:
		return "the trail does not prove itself: no key is named here; without one the proxy does not start, for there is nothing to bring to " + strings.Join(w.Anchors, ", ")
	case w.Signed == "":
		return "the trail does not prove itself: no key is named"
	case len(w.Anchors) == 0:
		return "signed by " + w.Signed + "; brought to no anchor, so whoever has the key can change the past"
	}
	return "signed by " + w.Signed + "; brought to " + strings.Join(w.Anchors, ", ")
}
