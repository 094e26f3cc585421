// Package proofconfig reads the section proof of a configuration: what signs the
// trail's checkpoints, and where they are brought and read back.
package proofconfig

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
	"golang.org/x/mod/sumdb/note"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/credential"
	"github.com/adminsessions/adminsessions/policy/strictyaml"
	"github.com/adminsessions/adminsessions/proof"
	"github.com/adminsessions/adminsessions/proof/anchor"
	"github.com/adminsessions/adminsessions/proof/s3"
)

// Proof is the section.
type Proof struct {
	KeyFile   string   `yaml:"key_file" doc:"The private keys that sign the trail's checkpoints, one a line, as adminsessions key makes them. Default: what the environment names (ADMINSESSIONS_PROOF_…); without a key nothing is signed."`
	Command   []string `yaml:"command" doc:"Instead of a file, a command that signs: it keeps the key in an HSM or a KMS."`
	PublicKey string   `yaml:"public_key" doc:"The public half of the command's key: name+hash+key."`
	Anchors   []Anchor `yaml:"anchors" doc:"Places that this machine can't rewrite, to which each checkpoint is brought; each has one of the keys below. Default: those that the environment names."`
}

// Anchor is a place. One of its fields is set.
type Anchor struct {
	File    string   `yaml:"file" doc:"A file that is only appended to."`
	Webhook *Webhook `yaml:"webhook" doc:"A server that is posted each checkpoint."`
	Loki    *Loki    `yaml:"loki" doc:"Another Loki, or another tenant, in which this machine may push only."`
	Witness *Witness `yaml:"witness" doc:"A C2SP witness, which signs only what has grown from what it has signed before. Needs key_file or command."`
	S3      *S3      `yaml:"s3" doc:"A bucket with object lock."`
}

// Webhook is a server.
type Webhook struct {
	URL       string `yaml:"url" doc:"https://…, or http://… on loopback. Required."`
	TokenFile string `yaml:"token_file" doc:"A file with a bearer token."`
}

// Loki is another Loki. Nothing about it is read from the environment.
type Loki struct {
	URL             string `yaml:"url" doc:"Its base address. Required."`
	QueryURL        string `yaml:"query_url" doc:"Where questions go, if elsewhere."`
	TenantID        string `yaml:"tenant_id" doc:"X-Scope-OrgID."`
	Username        string `yaml:"username" doc:"For Basic authentication."`
	PasswordFile    string `yaml:"password_file" doc:"A file with its password."`
	BearerTokenFile string `yaml:"bearer_token_file" doc:"A file with a token."`
	CAFile          string `yaml:"ca_file" doc:"With what its certificate is checked. Default the system's."`
	CertFile        string `yaml:"cert_file" doc:"The client's own certificate."`
	KeyFile         string `yaml:"key_file" doc:"Its key."`
}

// Witness is a C2SP tlog-witness.
type Witness struct {
	URL       string `yaml:"url" doc:"The address below which it has add-checkpoint. Required."`
	PublicKey string `yaml:"public_key" doc:"Its public key: name+hash+key. Required."`
	Dir       string `yaml:"dir" doc:"A folder for what it was shown, and for what it has signed. Required."`
}

// S3 is a bucket.
type S3 struct {
	Endpoint        string        `yaml:"endpoint" doc:"The server's host, with a port if it is not 443; http://host:port on loopback. Required."`
	Region          string        `yaml:"region" doc:"Default: what the server says."`
	Bucket          string        `yaml:"bucket" doc:"Made with object lock. Required."`
	Prefix          string        `yaml:"prefix" doc:"What names of objects begin with. Default checkpoints/."`
	Retention       time.Duration `yaml:"retention" doc:"For how long a checkpoint can't be deleted: 24h to 876000h. Required."`
	CredentialsFile string        `yaml:"credentials_file" doc:"A file with credentials as AWS has them, profile default. Default: AWS_ACCESS_KEY_ID …, ~/.aws/credentials, or the machine's role."`
}

// Read reads the section proof of a file that has others, too, for who reads the
// anchors back: he need not have the key.
func Read(path string) (*Proof, error) {
	doc, err := strictyaml.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	var file struct {
		Proof  Proof          `yaml:"proof"`
		Others map[string]any `yaml:",inline"`
	}
	if err := doc.Decode(&file); err != nil {
		return nil, err
	}
	return &file.Proof, nil
}

// Check looks for what is wrong, and names it by its line. path is the section's.
func (p *Proof) Check(doc *strictyaml.Document, path string) error {
	var errs []error
	fail := func(key string, err error) {
		if err != nil {
			errs = append(errs, doc.Errorf(path+key, "%w", err))
		}
	}
	if p.KeyFile != "" && len(p.Command) > 0 {
		fail(".command", errors.New("there is a key_file, too: want one of them"))
	}
	if (p.PublicKey != "") != (len(p.Command) > 0) {
		fail(".public_key", errors.New("command and public_key go together: want both, or key_file"))
	}
	keys, err := p.Keys()
	if len(errs) == 0 {
		key := ".key_file"
		if p.KeyFile == "" {
			key = ".command"
		}
		fail(key, err)
	}
	names := map[string]int{}
	for i := range p.Anchors {
		key := fmt.Sprintf(".anchors[%d]", i)
		a, err := p.Anchors[i].check(keys)
		if err != nil {
			fail(key, err)
			continue
		}
		if before, twice := names[a.Name()]; twice {
			fail(key, fmt.Errorf("it has the same name as anchors[%d], %q: want each once", before, a.Name()))
		}
		names[a.Name()] = i
	}
	return errors.Join(errs...)
}

// Keys are the keys that sign; none if the section names none.
func (p *Proof) Keys() ([]*proof.Key, error) {
	switch {
	case p.KeyFile != "":
		return proof.ReadKeyFile(p.KeyFile)
	case len(p.Command) > 0:
		k, err := proof.CommandKey(p.PublicKey, p.Command...)
		if err != nil {
			return nil, err
		}
		return []*proof.Key{k}, nil
	}
	return nil, nil
}

// Make makes what the section names. It connects to nothing.
func (p *Proof) Make() (keys []*proof.Key, anchors []proof.Anchor, err error) {
	if keys, err = p.Keys(); err != nil {
		return nil, nil, err
	}
	for i := range p.Anchors {
		a, err := p.Anchors[i].anchor(keys)
		if err != nil {
			return nil, nil, fmt.Errorf("anchors[%d]: %w", i, err)
		}
		anchors = append(anchors, a)
	}
	return keys, anchors, nil
}

// Archives read back what the anchors were brought.
func (p *Proof) Archives() ([]proof.Archive, error) {
	var archives []proof.Archive
	for i := range p.Anchors {
		a, err := p.Anchors[i].archive()
		if err != nil {
			return nil, fmt.Errorf("anchors[%d]: %w", i, err)
		}
		archives = append(archives, a)
	}
	return archives, nil
}

var errOneOf = errors.New("want one of file, webhook, loki, witness and s3")

// one is an error unless one of the fields is set.
func (a *Anchor) one() error {
	n := 0
	for _, set := range []bool{a.File != "", a.Webhook != nil, a.Loki != nil, a.Witness != nil, a.S3 != nil} {
		if set {
			n++
		}
	}
	if n != 1 {
		return errOneOf
	}
	return nil
}

// check is anchor, and leaves nothing behind: a witness's folder is not made by whoever
// looks at a configuration.
func (a Anchor) check(keys []*proof.Key) (proof.Anchor, error) {
	if w := a.Witness; w != nil && w.Dir != "" {
		if _, err := os.Stat(w.Dir); err != nil {
			dir, err := os.MkdirTemp("", "adminsessions-witness")
			if err != nil {
				return nil, err
			}
			defer os.RemoveAll(dir)
			elsewhere := *w
			elsewhere.Dir = dir
			a.Witness = &elsewhere
		}
	}
	return a.anchor(keys)
}

func (a *Anchor) anchor(keys []*proof.Key) (proof.Anchor, error) {
	if err := a.one(); err != nil {
		return nil, err
	}
	switch {
	case a.Webhook != nil:
		return made(anchor.NewWebhook(a.Webhook.URL, a.Webhook.TokenFile))
	case a.Loki != nil:
		return made(a.Loki.open())
	case a.Witness != nil:
		return made(a.Witness.open(keys))
	case a.S3 != nil:
		return made(a.S3.open())
	}
	return made(anchor.NewFile(a.File))
}

// made is an anchor, or an error and nothing that could be taken for one.
func made[A proof.Anchor](a A, err error) (proof.Anchor, error) {
	if err != nil {
		return nil, err
	}
	return a, nil
}

func (a *Anchor) archive() (proof.Archive, error) {
	if err := a.one(); err != nil {
		return nil, err
	}
	switch {
	case a.Webhook != nil:
		return anchor.NewURL(a.Webhook.URL, a.Webhook.TokenFile)
	case a.Loki != nil:
		return a.Loki.open()
	case a.Witness != nil:
		return anchor.Open(anchor.CosignedFile(a.Witness.Dir))
	case a.S3 != nil:
		return a.S3.open()
	}
	return anchor.Open(a.File)
}

func (l *Loki) open() (*anchor.Loki, error) {
	return anchor.NewLoki(adminsessions.Loki{
		URL: l.URL, QueryURL: l.QueryURL, TenantID: l.TenantID, Username: l.Username, PasswordFile: l.PasswordFile,
		BearerTokenFile: l.BearerTokenFile, CAFile: l.CAFile, CertFile: l.CertFile, KeyFile: l.KeyFile,
	})
}

func (w *Witness) open(keys []*proof.Key) (*anchor.Witness, error) {
	switch {
	case w.Dir == "":
		return nil, errors.New("dir is missing: want a folder for what the witness was shown")
	case len(keys) == 0:
		return nil, errors.New("a witness needs key_file or command here: it is shown what these keys have signed")
	}
	var list []note.Verifier
	for _, k := range keys {
		v, err := note.NewVerifier(k.Public())
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return anchor.NewWitness(w.URL, w.PublicKey, note.VerifierList(list...), w.Dir)
}

func (s *S3) open() (*s3.Bucket, error) {
	c := s3.Config{Endpoint: s.Endpoint, Region: s.Region, Bucket: s.Bucket, Prefix: s.Prefix, Retention: s.Retention}
	if host, insecure := strings.CutPrefix(s.Endpoint, "http://"); insecure {
		c.Endpoint, c.Insecure = host, true
	}
	if s.CredentialsFile != "" {
		if _, err := credential.File(s.CredentialsFile); err != nil {
			return nil, fmt.Errorf("credentials_file: %w", err)
		}
		c.Credentials = credentials.NewFileAWSCredentials(s.CredentialsFile, "default")
	}
	return s3.New(c)
}
