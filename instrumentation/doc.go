// Package instrumentation records every request to an admin panel: who did
// what from where and how it ended, as one [adminsessions.Event] each.
//
//	exp, err := exporter.New(exporter.WithSpoolDir(spoolDir))
//	if err != nil {
//		return err
//	}
//	record, err := instrumentation.NewMiddleware(
//		instrumentation.WithLoggerProvider(exp.LoggerProvider()),
//		instrumentation.WithTrustedProxies(instrumentation.XForwardedFor, netip.MustParsePrefix("10.0.0.5/32")),
//		instrumentation.WithFilter("assets", instrumentation.Routes("/assets/", "GET /healthz")),
//	)
//	if err != nil {
//		return err
//	}
//	server.Handler = record(mux)
//
// # Who
//
// The middleware finds out by itself where a request comes from and what it
// asks for. Who sends it is known to the application only: either the request
// tells ([WithAdmin]), or authentication further in says so:
//
//	instrumentation.SetAdmin(r.Context(), adminsessions.User{ID: "7", FullName: "Anna Kowalska", Email: "anna@example.com"})
//
// Requests nobody is signed in to are recorded as well; [SignIn] tells of an
// attempt, [SetTarget] of an administrator who acts as somebody else,
// [Annotate] of what was done.
//
// # What
//
// What is done, and to what, is read off the route: DELETE /admin/clients/{id} is
// clients.delete of clients 7731. [SetAction], [SetResource], [SetOutcome] and
// [Changed] say what the route does not tell, [SetActor] what kind of actor acts,
// [SetReason] why; [WithRequiredReason] lets nobody through without a reason. Jobs,
// commands and tools are acts without a request: [Recorder.Do]. See docs/acts.md.
//
// # How it ended
//
// With the handler's status, whatever became of the connection: a client that
// hangs up does not choose what the record says of what was done. That it did
// stands beside the status, see docs/instrumentation.md.
//
// # When
//
// The record is handed over after the handler has returned or panicked, and
// before the middleware returns. With package exporter's provider it is then
// in a file, and survives the death of the process. A request that goes on (a
// WebSocket, a stream of events, anything that still runs after ten seconds)
// is recorded when that is seen, and again when it ends, under the same id.
// [WithStrict] records before the handler runs, or does not let it run.
//
// # What it does to a request
//
// Nothing that a handler could notice: its ResponseWriter can do what the
// server's can, its panics go on, its request is the same but for the context.
// Responses get a request id in a header ([WithRequestIDHeader]). Importing the
// package registers nothing, neither metrics nor handlers.
//
// When no provider takes records it does nothing at all but hand on the request;
// that is counted and said once in the log.
package instrumentation
