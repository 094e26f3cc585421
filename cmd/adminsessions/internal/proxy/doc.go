// Package proxy is adminsessions proxy: a reverse proxy that records every
// request to a panel behind it, whatever the panel is written in, and the places
// where panels and sidecars hand in events of their own.
//
// A request goes through these hands, outermost first:
//
//	server            the current generation of the configuration, once
//	middleware        package instrumentation: the record
//	generation        the page, or the panel that is meant
//	panel             X-Audit-… headers, sign-ins, who; httputil.ReverseProxy
//
// A generation is made of one reading of the file and never changes. A reload
// makes another one and puts it in the place of the first; requests under way end
// in the generation in which they began. What can't change while the process runs
// (listeners, spool, Loki) is made once.
package proxy
