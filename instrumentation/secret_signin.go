package instrumentation

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/counters"
)

// WithSignInNames sets which of the names are recorded as they are under which
// somebody has failed to sign in: those for which isClear returns true, because
// there is such an account. nil stands for the default, names that are e-mail
// addresses. Of any other name, which may be a password typed into the wrong
// field, the first letter is recorded and a keyed hash, the same for the same
// name in whatever case.
//
// With a key of 16 bytes or more the hash is the same in every process that is
// given it; with nil it is another one after each start.
func WithSignInNames(isClear func(name string) bool, key []byte) Option {
	return func(c *config) error {
		if key != nil && len(key) < 16 {
			return optionError("WithSignInNames", "key has %d bytes: want 16 or more, or nil", len(key))
		}
		c.signIn = signInNames{isClear, append([]byte(nil), key...)}
		return nil
	}
}

// signInNames decides what is recorded of a name that was tried.
type signInNames struct {
	clear func(string) bool
	key   []byte
}

// complete puts in what was not chosen.
func (n *signInNames) complete() {
	if n.clear == nil {
		n.clear = isAddress
	}
	if len(n.key) == 0 {
		n.key = make([]byte, sha256.Size)
		_, _ = rand.Read(n.key) // it never fails
	}
}

// signInName is what is recorded of the name in an attempt.
func (m *middleware) signInName(name string, outcome adminsessions.SignInOutcome) string {
	if name == "" {
		return ""
	}
	if outcome != adminsessions.SignInSuccess && !m.isClear(name) {
		return m.signIn.pseudonym(name)
	}
	return m.redaction.Text(name)
}

// isClear asks the application's function. One that panics has not said yes.
func (m *middleware) isClear(name string) (yes bool) {
	defer func() {
		if recover() != nil {
			m.metrics.Details[counters.DetailPanic].Add(1)
			yes = false
		}
	}()
	return m.signIn.clear(name)
}

// pseudonym is the first letter of a name, and a hash by which attempts under
// the same name can be told to belong together.
func (n *signInNames) pseudonym(name string) string {
	mac := hmac.New(sha256.New, n.key)
	_, _ = mac.Write([]byte(strings.ToLower(strings.TrimSpace(name))))
	first, size := utf8.DecodeRuneInString(strings.TrimSpace(name))
	letter := ""
	if utf8.RuneCountInString(name) > 4 && (first != utf8.RuneError || size > 1) {
		letter = string(first)
	}
	return letter + "… #" + hex.EncodeToString(mac.Sum(nil)[:6])
}

// isAddress reports whether a name is an e-mail address.
func isAddress(name string) bool {
	local, domain, ok := strings.Cut(name, "@")
	if !ok || local == "" || len(name) > 254 {
		return false
	}
	for i := range len(local) {
		c := local[i]
		if !isLower(c) && !isUpper(c) && (c < '0' || c > '9') && c < 0x80 && strings.IndexByte(".-_+'", c) < 0 {
			return false
		}
	}
	labels := strings.Split(domain, ".")
	for _, label := range labels {
		if label == "" {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if !isLower(c) && !isUpper(c) && (c < '0' || c > '9') && c < 0x80 && c != '-' {
				return false
			}
		}
	}
	last := labels[len(labels)-1]
	return len(labels) > 1 && len(last) >= 2 && strings.Trim(strings.ToLower(last), "0123456789-") == strings.ToLower(last)
}
