// Package lokitest runs the real Grafana Loki for a test.
//
// [Start] gives a test a Loki of its own: a process on free loopback ports,
// with deploy/loki's configuration and its data in the test's temporary
// folder, ready to take in and answer when Start returns, and gone when the
// test ends.
//
//	loki := lokitest.Start(t)
//	… point the code under test at loki.URL() …
//	entries := loki.Await(ctx, `{service_name="panel"}`, lokitest.Last(time.Hour), 3)
//
// The binary is the one LOKI_BIN names, else the pinned one that `make tools`
// builds, else one on PATH. A test that finds none fails: what is shown
// without Loki is not shown.
//
// A [Server] can be made to fail the ways a server does: [Server.Stop] is an
// orderly end, [Server.Kill] a crash, [Server.Pause] a machine that hangs.
// [Server.Restart] brings it back on the same address with the same data.
package lokitest
