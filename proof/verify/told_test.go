package verify

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/loki"
)

// What Loki said, and where it is, does not stand in the trail, which is shown in
// browsers.
func TestVerifiedEventTellsNoAddress(t *testing.T) {
	err := fmt.Errorf("looking for logs: %w", &loki.Error{Kind: loki.Unavailable, Detail: `Get "http://10.0.0.9:3100/loki/api/v1/series": refused`})
	e := VerifiedEvent(nil, err, time.Unix(1, 0))
	if line := e.Line(); strings.Contains(line, "3100") || !strings.Contains(e.Note, "can't be verified: Loki: unavailable") {
		t.Errorf("told %s", line)
	}
}
