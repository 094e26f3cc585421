package proxy

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/exporter/exportermetrics"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/instrumentation/instrumentationmetrics"
	"github.com/adminsessions/adminsessions/internal/credential"
)

// Server is the program at work.
type Server struct {
	config   Config // as it was at the start
	logger   *slog.Logger
	process  *process
	metrics  *metrics
	exporter *exporter.Exporter
	current  atomic.Pointer[generation]

	cert      *certificate // nil without TLS
	panel     *http.Server
	operators *http.Server // nil if there is none
	ingest    *http.Server // nil if there is none
	taken     *ingest      // by it
	stored    *stored      // what it has taken
	listeners map[*http.Server]net.Listener
	running   sync.WaitGroup // requests that are handled
	cut       context.CancelFunc
}

// NewServer opens the spool and listens. Run serves.
func NewServer(s *Setup, logger *slog.Logger) (_ *Server, err error) {
	srv := &Server{config: s.config, logger: logger, listeners: map[*http.Server]net.Listener{}}
	defer func() {
		if err != nil {
			srv.abandon()
		}
	}()
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	srv.metrics = newMetrics(registry)
	opts, err := s.config.exporterOptions(logger)
	if err != nil {
		return nil, err
	}
	if s.config.Ingest != nil {
		srv.stored = newStored()
		opts = append(opts, exporter.WithFound(srv.stored.found()))
	}
	if srv.exporter, err = exporter.New(opts...); err != nil {
		return nil, err
	}
	counted := instrumentationmetrics.New()
	registry.MustRegister(exportermetrics.New(srv.exporter), counted)
	srv.process = &process{
		logger: logger, metrics: srv.metrics, newPage: newPage,
		options: []instrumentation.Option{
			instrumentation.WithLoggerProvider(srv.exporter.LoggerProvider()),
			instrumentation.WithMetrics(counted), instrumentation.WithLogger(logger),
		},
	}
	if srv.process.sessionKey, err = sessionKeyOf(s.config.Session.KeyFile); err != nil {
		return nil, fmt.Errorf("session.key_file: %w", err)
	}
	first, err := newGeneration(s, srv.process)
	if err != nil {
		return nil, err
	}
	srv.current.Store(first)
	if s.config.TLS.CertFile != "" {
		if srv.cert, err = newCertificate(s.config.TLS); err != nil {
			return nil, err
		}
	}
	return srv, srv.listen(registry)
}

func (srv *Server) listen(registry *prometheus.Registry) (err error) {
	base, cut := context.WithCancel(context.Background())
	srv.cut = cut
	t := srv.config.Timeouts
	srv.panel = &http.Server{
		Handler: http.HandlerFunc(srv.handle), ReadHeaderTimeout: t.Header, IdleTimeout: t.Idle,
		DisableGeneralOptionsHandler: true, // OPTIONS * is the panel's to answer, and on record
		BaseContext:                  func(net.Listener) context.Context { return base },
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(srv.cert != nil)
	protocols.SetUnencryptedHTTP2(srv.cert == nil)
	srv.panel.Protocols = &protocols
	if srv.cert != nil {
		srv.panel.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: srv.cert.get}
	}
	if err = srv.bind("listen", srv.config.Listen, srv.panel); err != nil {
		return err
	}
	if srv.config.Operators != "-" {
		srv.operators = &http.Server{Handler: srv.operatorsHandler(registry), ReadHeaderTimeout: t.Header, ReadTimeout: t.Header, WriteTimeout: time.Minute, IdleTimeout: t.Idle}
		if err = srv.bind("operators", srv.config.Operators, srv.operators); err != nil {
			return err
		}
	}
	if in := srv.config.Ingest; in != nil {
		h, err := newIngest(in, &srv.config.Policy.Redact, srv.exporter, srv.stored, srv.metrics, srv.logger)
		if err != nil {
			return err
		}
		srv.taken = h
		srv.ingest = &http.Server{Handler: h, ReadHeaderTimeout: t.Header, ReadTimeout: in.Timeout, WriteTimeout: 2 * in.Timeout, IdleTimeout: t.Idle, MaxHeaderBytes: 64 << 10}
		if err = srv.bind("ingest.listen", in.Listen, srv.ingest); err != nil {
			return err
		}
	}
	return nil
}

func (srv *Server) bind(key, address string, s *http.Server) error {
	l, err := listen(address)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	s.ErrorLog = slog.NewLogLogger(srv.logger.Handler(), slog.LevelWarn)
	srv.listeners[s] = l
	return nil
}

// abandon closes what was opened for a server that does not come to serve.
func (srv *Server) abandon() {
	for _, l := range srv.listeners {
		_ = l.Close()
	}
	if srv.exporter != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = srv.exporter.Shutdown(ctx)
	}
}

// Addresses are where the server listens: for clients, for operators and for
// events of others. They are empty where it does not.
func (srv *Server) Addresses() (panel, operators, ingest string) {
	address := func(s *http.Server) string {
		if l := srv.listeners[s]; s != nil && l != nil {
			return l.Addr().String()
		}
		return ""
	}
	return address(srv.panel), address(srv.operators), address(srv.ingest)
}

// handle hands a request to the generation that is the current one.
func (srv *Server) handle(w http.ResponseWriter, r *http.Request) {
	srv.running.Add(1)
	defer srv.running.Done()
	srv.current.Load().handler.ServeHTTP(w, r)
}

// Run serves until ctx ends, and then ends in order: no new requests, those
// under way to their end, the last events to Loki or left in the spool. reload is
// read for as long as it serves; for each value the configuration is read anew
// by load.
func (srv *Server) Run(ctx context.Context, reload <-chan os.Signal, load func() (*Setup, error)) error {
	failed := make(chan error, len(srv.listeners)) // each server's goroutine writes once
	for s, l := range srv.listeners {
		go func() {
			var err error
			if s == srv.panel && srv.cert != nil {
				err = s.ServeTLS(l, "", "")
			} else {
				err = s.Serve(l)
			}
			if !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		}()
	}
	panel, operators, ingest := srv.Addresses()
	srv.logger.Info("proxy is up", "listen", panel, "operators", operators, "ingest", ingest, "tls", srv.cert != nil, "config", srv.current.Load().digest)
	var err error
	for serving := true; serving; {
		select {
		case <-ctx.Done():
			serving = false
		case err = <-failed:
			serving = false
		case <-reload:
			srv.reload(load)
		}
	}
	srv.logger.Info("proxy ends")
	return errors.Join(err, srv.shutdown())
}

// reload puts a new generation in the place of the current one. If the
// configuration can't be used, or asks for what needs a restart, the current one
// stays.
func (srv *Server) reload(load func() (*Setup, error)) {
	err := func() error {
		s, err := load()
		if err != nil {
			return err
		}
		if keys := changedKeys(srv.config.fixed(), s.config.fixed()); len(keys) > 0 {
			return fmt.Errorf("a restart is needed to change %s", strings.Join(keys, ", "))
		}
		next, err := newGeneration(s, srv.process)
		if err != nil {
			return err
		}
		if srv.taken != nil {
			if err := srv.taken.hide(&s.config.Policy.Redact); err != nil {
				return err
			}
		}
		srv.current.Swap(next).retire()
		srv.logger.Info("configuration read anew", "config", s.digest)
		return nil
	}()
	if err != nil {
		srv.metrics.reloads.WithLabelValues(reloadRefused).Inc()
		srv.logger.Error("configuration not changed: the new one can't be used", "error", err)
		return
	}
	srv.metrics.reloads.WithLabelValues(reloadDone).Inc()
	srv.metrics.reloaded.Set(float64(time.Now().Unix()))
}

func changedKeys(was, now map[string]any) (keys []string) {
	for key, value := range was {
		if !reflect.DeepEqual(value, now[key]) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// shutdown ends in order. Streams and WebSockets, which would not end by
// themselves, are cut when three quarters of the time are over.
func (srv *Server) shutdown() error {
	limit := srv.config.Timeouts.Shutdown
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	timer := time.AfterFunc(limit*3/4, srv.cut)
	defer timer.Stop()
	var errs []error
	for _, s := range []*http.Server{srv.panel, srv.ingest} {
		if s == nil {
			continue
		}
		if err := s.Shutdown(ctx); err != nil {
			errs = append(errs, fmt.Errorf("requests under way were cut: %w", err), s.Close())
		}
	}
	srv.cut() // what was taken over from the server, and is not waited for
	ended := make(chan struct{})
	go func() { // it ends with the requests
		srv.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	flush, cancelFlush := context.WithTimeout(context.Background(), max(time.Second, limit/4))
	defer cancelFlush()
	errs = append(errs, srv.exporter.LoggerProvider().Shutdown(flush))
	if srv.operators != nil {
		errs = append(errs, srv.operators.Close())
	}
	return errors.Join(errs...)
}

// operatorsHandler is what operators, and the programs that watch, are shown.
func (srv *Server) operatorsHandler(registry *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	answer := func(check func() error) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "no-store")
			if err := check(); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
			_, _ = w.Write([]byte("ok\n"))
		}
	}
	mux.HandleFunc("GET /readyz", answer(srv.exporter.Ready))
	mux.HandleFunc("GET /healthz", answer(func() error {
		err := srv.exporter.Health()
		if srv.cert != nil {
			err = errors.Join(err, srv.cert.health())
		}
		return err
	}))
	return mux
}

func (c *Config) exporterOptions(logger *slog.Logger) ([]exporter.Option, error) {
	opts := []exporter.Option{exporter.WithLoki(c.lokiSettings()), exporter.WithLogger(logger)}
	add := func(given bool, o exporter.Option) {
		if given {
			opts = append(opts, o)
		}
	}
	s := c.Spool
	add(s.Dir != "", exporter.WithSpoolDir(s.Dir))
	add(s.Limit != 0, exporter.WithSpoolLimit(int64(s.Limit)))
	add(s.Sync != "", exporter.WithSync(exporter.SyncPolicy(s.Sync)))
	add(s.SyncInterval != 0, exporter.WithSyncInterval(s.SyncInterval))
	add(s.Full != "", exporter.WithFullPolicy(exporter.FullPolicy(s.Full)))
	add(s.BlockTimeout != 0, exporter.WithBlockTimeout(s.BlockTimeout))
	add(s.LockTimeout != 0, exporter.WithSpoolLockTimeout(s.LockTimeout))
	encrypt, err := s.keys()
	if err != nil {
		return nil, fmt.Errorf("spool.key_file: %w", err)
	}
	add(len(encrypt) > 0, exporter.WithSpoolKeys(encrypt...))
	keys, anchors, err := c.Proof.Make()
	if err != nil {
		return nil, fmt.Errorf("proof: %w", err)
	}
	opts = append(opts, exporter.WithProof(exporter.Proof{Keys: keys, Anchors: anchors}))
	attrs := []attribute.KeyValue{attribute.String("service.name", c.Service.Name)}
	if c.Service.Environment != "" {
		attrs = append(attrs, attribute.String("deployment.environment.name", c.Service.Environment))
	}
	if c.Service.Instance != "" {
		attrs = append(attrs, attribute.String("service.instance.id", c.Service.Instance))
	}
	return append(opts, exporter.WithResource(resource.NewSchemaless(attrs...))), nil
}

const sessionKeyBytes = 32

// sessionKeyOf reads the key of the sessions' hash, or makes it.
func sessionKeyOf(file string) ([]byte, error) {
	if file == "" {
		key := make([]byte, sessionKeyBytes)
		_, err := rand.Read(key)
		return key, err
	}
	text, err := credential.File(file)
	key := []byte(text)
	if errors.Is(err, fs.ErrNotExist) {
		key = []byte(rand.Text() + rand.Text())
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return nil, err
		}
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		_, err = f.Write(key)
		return key, errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		return nil, err
	}
	if len(key) < 16 {
		return nil, fmt.Errorf("%s has %d bytes: want 16 or more, of which nobody can guess one", file, len(key))
	}
	return key, nil
}
