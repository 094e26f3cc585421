package verify

import (
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions/internal/prooftest"
)

func TestAttacks(t *testing.T) {
	for _, c := range prooftest.Attacks() {
		t.Run(c.Name, func(t *testing.T) {
			l := prooftest.New(t, "a", began).Write(105)
			config := Config{Keys: []string{l.Public}}
			if c.Anchored {
				config.Anchors = anchored(l)
			}
			r := verifyFake(t, &fakeLoki{entries: c.Do(l)}, config)
			if got, want := r.String(), strings.ReplaceAll(c.Want, "LOG", "a"); got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}
