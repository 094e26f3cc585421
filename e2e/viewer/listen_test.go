package viewer

import (
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
)

// awaitPromise makes an evaluation wait for its promise.
func awaitPromise(p *runtime.EvaluateParams) *runtime.EvaluateParams {
	return p.WithAwaitPromise(true)
}

// listen notes every request of the tab and every complaint.
func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		b.errors = append(b.errors, e.ExceptionDetails.Error())
	case *log.EventEntryAdded:
		// A view that cannot be shown is answered with an error status, which
		// the browser logs; everything else is a fault of the page.
		if e.Entry.Level == log.LevelError && e.Entry.Source != log.SourceNetwork {
			b.errors = append(b.errors, e.Entry.Text)
		}
	}
}
