package proxy

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// recheck is how often a certificate's files are looked at.
const recheck = 5 * time.Second

// certificate is a certificate whose files may be replaced. One that can't be
// read leaves the last good one in its place.
type certificate struct {
	files TLS

	mu      sync.Mutex
	cert    *tls.Certificate
	times   [2]time.Time // when the files were changed
	checked time.Time
	failed  error // why the files that are there now are not used
}

func newCertificate(files TLS) (*certificate, error) {
	c := &certificate{files: files}
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *certificate) load() error {
	times, err := c.changed()
	if err != nil {
		return err
	}
	cert, err := tls.LoadX509KeyPair(c.files.CertFile, c.files.KeyFile)
	if err != nil {
		return fmt.Errorf("certificate in %s: %w", c.files.CertFile, err)
	}
	c.cert, c.times = &cert, times
	return nil
}

func (c *certificate) changed() (times [2]time.Time, err error) {
	for i, name := range []string{c.files.CertFile, c.files.KeyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return times, err
		}
		times[i] = info.ModTime()
	}
	return times, nil
}

// get is [tls.Config.GetCertificate].
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.checked) >= recheck {
		c.checked = now
		if times, err := c.changed(); err != nil {
			c.failed = err
		} else if times != c.times {
			c.failed = c.load()
		}
	}
	return c.cert, nil
}

// health is nil while the files are those in use.
func (c *certificate) health() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}
