// Package s3 brings a log's checkpoints into an S3 bucket with object lock, where
// nobody can delete or replace them for as long as the lock holds, and reads them
// back for package verify.
//
//	bucket, err := s3.New(s3.Config{Endpoint: "s3.eu-central-1.amazonaws.com", Bucket: "panel-checkpoints", Retention: 5 * 365 * 24 * time.Hour})
//
// The bucket must have been made with object lock. Each checkpoint is an object of
// its own, checkpoints/<log>/<number of events>, in compliance mode: not even the
// account's root can shorten that.
package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/adminsessions/adminsessions/proof"
)

// Config says where the bucket is. Endpoint, Bucket and Retention are required.
type Config struct {
	// Endpoint is the server's host, with a port if it is not 443.
	Endpoint string
	// Region is the bucket's; the server says it if it is empty.
	Region string
	Bucket string
	// Prefix stands before the objects' names. Default "checkpoints/".
	Prefix string
	// Credentials are asked for at each request. nil means those of the
	// environment (AWS_ACCESS_KEY_ID …), of ~/.aws/credentials, or of the machine's
	// role.
	Credentials *credentials.Credentials
	// Retention is for how long a checkpoint can't be deleted, 1 day to 100 years.
	Retention time.Duration
	// Insecure allows HTTP, on loopback only.
	Insecure bool
}

// Bucket is an anchor, and an archive.
type Bucket struct {
	client *minio.Client
	config Config
	now    func() time.Time
}

var (
	_ proof.Anchor  = (*Bucket)(nil)
	_ proof.Archive = (*Bucket)(nil)
)

const day = 24 * time.Hour

// New makes an anchor of a bucket. It connects to nothing.
func New(c Config) (*Bucket, error) {
	var errs []error
	switch {
	case strings.Contains(c.Endpoint, "@"):
		errs = append(errs, errors.New("field Endpoint: it holds credentials; want a host, with a port if need be"))
	case c.Endpoint == "" || strings.Contains(c.Endpoint, "/"):
		errs = append(errs, fmt.Errorf("field Endpoint: %q; want a host, with a port if need be", c.Endpoint))
	}
	if c.Bucket == "" {
		errs = append(errs, errors.New("field Bucket: missing"))
	}
	if c.Retention < day || c.Retention > 100*365*day {
		errs = append(errs, fmt.Errorf("field Retention: %s; want 1 day to 100 years", c.Retention))
	}
	if c.Insecure && !isLoopback(c.Endpoint) {
		errs = append(errs, fmt.Errorf("field Insecure: %q is not on loopback", c.Endpoint))
	}
	if c.Prefix == "" {
		c.Prefix = "checkpoints/"
	}
	if c.Credentials == nil {
		c.Credentials = credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{},
		})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("configuration of the bucket: %w", err)
	}
	client, err := minio.New(c.Endpoint, &minio.Options{Creds: c.Credentials, Secure: !c.Insecure, Region: c.Region})
	if err != nil {
		return nil, fmt.Errorf("configuration of the bucket: %w", err)
	}
	return &Bucket{client, c, time.Now}, nil
}

func isLoopback(endpoint string) bool {
	host, _, err := net.SplitHostPort(endpoint)
	if err != nil {
		host = endpoint
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Name is "s3" for metrics, and the bucket.
func (b *Bucket) Name() string { return "s3 " + b.config.Bucket }

// Anchor stores a checkpoint and locks it. One that is there already stays, with
// its lock: an object lock keeps versions, so a second one is only added.
func (b *Bucket) Anchor(ctx context.Context, signed []byte) error {
	lines := strings.SplitN(string(signed), "\n", 3)
	if len(lines) < 3 || !strings.HasPrefix(lines[0], proof.OriginPrefix) {
		return errors.New("storing a checkpoint: it is none")
	}
	name := fmt.Sprintf("%s%s/%020s", b.config.Prefix, strings.TrimPrefix(lines[0], proof.OriginPrefix), lines[1])
	_, err := b.client.PutObject(ctx, b.config.Bucket, name, bytes.NewReader(signed), int64(len(signed)), minio.PutObjectOptions{
		ContentType: "text/plain; charset=utf-8",
		Mode:        minio.Compliance, RetainUntilDate: b.now().Add(b.config.Retention).UTC(),
		SendContentMd5: true, DisableMultipart: true,
	})
	if err != nil {
		return fmt.Errorf("storing a checkpoint as %s: %w", name, err)
	}
	return nil
}

// maxObject is more than a checkpoint takes.
const maxObject = 64 << 10

// Checkpoints yields all that the bucket has, every version of them: a later one
// could have been put in the place of a checkpoint, but never without it.
func (b *Bucket) Checkpoints(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		for o := range b.client.ListObjects(ctx, b.config.Bucket, minio.ListObjectsOptions{Prefix: b.config.Prefix, Recursive: true, WithVersions: true}) {
			if o.Err != nil {
				yield(nil, fmt.Errorf("listing the bucket %s: %w", b.config.Bucket, o.Err))
				return
			}
			if o.IsDeleteMarker {
				continue
			}
			text, err := b.read(ctx, &o)
			if !yield(text, err) || err != nil {
				return
			}
		}
	}
}

func (b *Bucket) read(ctx context.Context, o *minio.ObjectInfo) ([]byte, error) {
	object, err := b.client.GetObject(ctx, b.config.Bucket, o.Key, minio.GetObjectOptions{VersionID: o.VersionID})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", o.Key, err)
	}
	defer object.Close()
	text, err := io.ReadAll(io.LimitReader(object, maxObject))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", o.Key, err)
	}
	return text, nil
}
