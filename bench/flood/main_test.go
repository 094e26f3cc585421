package flood

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"
)

var (
	lastsFlag = flag.Duration("lasts", 15*time.Second, "how long a flood lasts")
	quietFlag = flag.Duration("quiet", 5*time.Second, "how long administrators are alone before it")
	onlyFlag  = flag.String("only", "", "run only the scenarios whose name matches this regular expression")
	rateFlag  = flag.Int("rate", 200, "administrators' requests per second")
)

// TestMain is also the beginning of a panel's process.
func TestMain(m *testing.M) {
	if config, ok := os.LookupEnv(panelEnv); ok {
		if err := servePanel(config); err != nil {
			fmt.Fprintln(os.Stderr, "panel:", err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	os.Exit(m.Run())
}
