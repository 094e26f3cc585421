// Command adminpanel is a small, real admin panel of a hosting company whose
// every request is recorded: the project's demo, and an example to copy from.
//
// It has people who sign in (a session cookie on its pages, HTTP Basic or a
// bearer token on its JSON API), clients to list, search, create, change and
// delete, settings with API tokens, and under Monitoring the page of Admin
// Sessions. Most of its files are what any panel would have anyway; what this
// project adds is in recording.go, and a line here and there that says what a
// request did.
//
//	accounts.go, sessions.go   who may come in
//	clients.go, validate.go    what they look after, kept in a file
//	web_*.go, api_*.go         pages and JSON API over it
//	panel.go                   the routes, and who a request is from
//	recording.go               OpenTelemetry, the exporter and the middleware
//	acts.go, team.go, jobs.go  acts: what the route does not tell, and those without a request
//	geo.go                     where addresses are
//	health.go                  /healthz for strangers; metrics and reasons for operators
//	traffic.go                 background traffic, so that there is something to see
//
// Accounts demo-admin@example.com, anna@example.com and rory@example.com have
// the password "demo" and a bearer token each (demo-token-anna and so on), all
// of them public: serve it on loopback only.
//
//	curl -u anna@example.com:demo http://127.0.0.1:8080/admin/api/clients
//	curl -H 'Authorization: Bearer demo-token-anna' http://127.0.0.1:8080/admin/api/clients/7700
//
// The environment variables it reads are listed in config.go.
package main
