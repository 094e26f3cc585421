// Package proxy measures what adminsessions proxy costs a request, beside nginx
// and Caddy as plain reverse proxies with their access logs on, before the same
// panel. The candidates take turns, so that a machine that slows down slows all of
// them; the panel by itself is one.
//
//	make caddy
//	go test -run '^$' -bench Proxies -benchtime 1x -timeout 20m ./proxy
//
// Each is also killed (SIGKILL) while requests are under way: how many of those
// that were answered are in no log afterwards? Of the proxy the spool is counted,
// with a Loki that does not answer.
package proxy
