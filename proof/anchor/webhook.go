package anchor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions/internal/credential"
	"github.com/adminsessions/adminsessions/proof"
)

// timeout bounds one exchange with an anchor.
const timeout = 30 * time.Second

// Webhook posts checkpoints to a server: POST, text/plain, the signed note as it
// is. Any answer 2xx says that it is kept. Redirects are not followed.
type Webhook struct {
	host      string
	url       string
	tokenFile string
	client    *http.Client
}

var _ proof.Anchor = (*Webhook)(nil)

// NewWebhook makes an anchor of a server. Its address must be https, or http on
// loopback. tokenFile, unless empty, holds a bearer token; it must be there, and may
// be replaced while the process runs. No error repeats more of the address than the
// server's name, for a path or a query may be secret.
func NewWebhook(address, tokenFile string) (*Webhook, error) {
	u, err := httpURL(address)
	if err == nil {
		_, err = readToken(tokenFile)
	}
	if err != nil {
		return nil, fmt.Errorf("the anchor's webhook: %w", err)
	}
	return &Webhook{u.Hostname(), u.String(), tokenFile, newClient()}, nil
}

func newClient() *http.Client {
	return &http.Client{Timeout: timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// httpURL checks an address, to which nothing secret but a token is sent, and that
// only over TLS.
func httpURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("its address is no URL")
	}
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	switch {
	case u.User != nil:
		return nil, errors.New("its address holds credentials; put a token into a file")
	case u.Host == "", u.Scheme != "https" && (u.Scheme != "http" || !local):
		return nil, fmt.Errorf("address %.40q…; want https://…, or http://… on loopback", u.Scheme+"://"+u.Host)
	}
	return u, nil
}

// Name is "webhook" and the server's.
func (w *Webhook) Name() string { return "webhook " + w.host }

// Anchor posts a checkpoint.
func (w *Webhook) Anchor(ctx context.Context, signed []byte) error {
	status, text, err := post(ctx, w.client, w.url, w.tokenFile, signed)
	if err != nil {
		return fmt.Errorf("posting a checkpoint: %w", err)
	}
	if status/100 != 2 {
		return fmt.Errorf("posting a checkpoint: the answer is %d %.200q; want 2xx", status, text)
	}
	return nil
}

// post sends a text and returns the beginning of the answer.
func post(ctx context.Context, client *http.Client, address, tokenFile string, body []byte) (status int, text []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	if err := authorize(req, tokenFile); err != nil {
		return 0, nil, err
	}
	resp, err := do(client, req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(io.LimitReader(resp.Body, maxNote))
	return resp.StatusCode, text, err
}

func authorize(req *http.Request, tokenFile string) error {
	if tokenFile == "" {
		return nil
	}
	token, err := readToken(tokenFile)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return nil
}

// readToken reads a token; without a file there is none.
func readToken(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	token, err := credential.Line(file)
	if err != nil {
		return "", fmt.Errorf("reading the anchor's token: %w", err)
	}
	return token, nil
}

// do sends a request. Its errors name the server and not the whole address.
func do(client *http.Client, req *http.Request) (*http.Response, error) {
	resp, err := client.Do(req)
	if full, ok := errors.AsType[*url.Error](err); ok {
		err = fmt.Errorf("%s: %w", req.URL.Host, full.Err)
	}
	return resp, err
}

// URL gives back checkpoints that a server has: GET, the notes one after the
// other, separated by an empty line.
type URL struct {
	url       string
	tokenFile string
	client    *http.Client
}

var _ proof.Archive = (*URL)(nil)

// NewURL makes an archive of an address, as [NewWebhook] does an anchor.
func NewURL(address, tokenFile string) (*URL, error) {
	u, err := httpURL(address)
	if err == nil {
		_, err = readToken(tokenFile)
	}
	if err != nil {
		return nil, fmt.Errorf("the anchor's archive: %w", err)
	}
	return &URL{u.String(), tokenFile, newClient()}, nil
}

// Name is the address without its query.
func (u *URL) Name() string {
	name, _, _ := strings.Cut(u.url, "?")
	return name
}

// Checkpoints yields what the server has.
func (u *URL) Checkpoints(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.url, http.NoBody)
		if err == nil {
			err = authorize(req, u.tokenFile)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		resp, err := do(u.client, req)
		if err != nil {
			yield(nil, err)
			return
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			yield(nil, fmt.Errorf("the answer is %s; want 200", resp.Status))
			return
		}
		for note, err := range Notes(resp.Body) {
			if !yield(note, err) {
				return
			}
		}
	}
}

// New makes an anchor of what a person names: an address (https://…, see
// [NewWebhook]), or a file by its absolute path (see [NewFile]). tokenFile is for
// addresses.
func New(place, tokenFile string) (proof.Anchor, error) {
	switch {
	case strings.HasPrefix(place, "https://") || strings.HasPrefix(place, "http://"):
		return NewWebhook(place, tokenFile)
	case filepath.IsAbs(place):
		return NewFile(place)
	}
	return nil, errors.New("an anchor is neither an address (https://…) nor the absolute path of a file")
}

// Open makes an archive of what a person names: an address (https://…), a file,
// or a folder with a file for each checkpoint.
func Open(place string) (proof.Archive, error) {
	if strings.HasPrefix(place, "https://") || strings.HasPrefix(place, "http://") {
		return NewURL(place, "")
	}
	info, err := os.Stat(place)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the anchor's archive: %w", err)
	case info.IsDir():
		return Folder{place}, nil
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("the anchor's archive %s is a %s; want a file, a folder or an address", place, info.Mode().Type())
	}
	return NewFile(place)
}
