package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/adminsessions/adminsessions/internal/lokiread"
)

// serveQuestions gives Grafana and Prometheus a Loki that can only be asked,
// until stop is called. Whoever may use Grafana's data source can send what
// they like to its address.
func (c config) serveQuestions(out io.Writer) (stop func(), err error) {
	loki, err := url.Parse(c.url(lokiPort))
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", c.address(lokiReadPort))
	if err != nil {
		return nil, fmt.Errorf("serve questions to Loki: %w; set %s to another port", err, lokiReadPort)
	}
	server := &http.Server{
		// While Loki is away Grafana says so itself; every refused connection
		// would be another line here.
		Handler:           lokiread.New(loki, slog.New(slog.DiscardHandler)),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(out, "demo: questions to Loki are no longer served:", err)
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
		<-ended
	}, nil
}
