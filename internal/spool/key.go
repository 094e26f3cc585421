package spool

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/adminsessions/adminsessions/internal/credential"
)

// KeyBytes is the length of a key.
const KeyBytes = 32

// Key encrypts records. It comes from outside the spool's folder.
type Key struct {
	key [KeyBytes]byte
	id  uint32 // stands in the headers of segments; never 0
}

// NewKey returns the key of 32 random bytes.
func NewKey(b []byte) (*Key, error) {
	if len(b) != KeyBytes {
		return nil, fmt.Errorf("spool: a key of %d bytes; want %d", len(b), KeyBytes)
	}
	k := &Key{key: [KeyBytes]byte(b)}
	sum := sha256.Sum256(append([]byte("adminsessions spool key id\x00"), b...))
	k.id = max(1, binary.LittleEndian.Uint32(sum[:]))
	return k, nil
}

// RandomKey returns a new key as [ReadKeys] reads it.
func RandomKey() string {
	var b [KeyBytes]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.StdEncoding.EncodeToString(b[:])
}

// ReadKeys reads keys, the base64 of 32 bytes each, one a line; empty lines and
// those that begin with a # are passed over. The first one encrypts, the others
// only read: so a key is replaced.
func ReadKeys(text string) ([]*Key, error) {
	all, err := ReadKeyBytes(text)
	if err != nil {
		return nil, err
	}
	keys := make([]*Key, len(all))
	for i, b := range all {
		if keys[i], err = NewKey(b); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// ReadKeyBytes is [ReadKeys] for who hands them on.
func ReadKeyBytes(text string) (keys [][]byte, err error) {
	for number, line := range credential.Lines(text) {
		b, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(b) != KeyBytes {
			// The error must not quote it.
			return nil, fmt.Errorf("line %d is no key; want the base64 of %d random bytes, as of head -c 32 /dev/urandom | base64", number, KeyBytes)
		}
		keys = append(keys, b)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("there is no key; want the base64 of %d random bytes, as of head -c 32 /dev/urandom | base64", KeyBytes)
	}
	return keys, nil
}

// KeysFromEnvironment reads the keys that the environment names: the file
// ADMINSESSIONS_SPOOL_KEY_FILE, ADMINSESSIONS_SPOOL_KEY itself, or what the command
// ADMINSESSIONS_SPOOL_KEY_COMMAND, its words separated by spaces, writes. nil if it
// names none.
func KeysFromEnvironment(getenv func(string) string) ([]*Key, error) {
	const inFile, itself, command = "ADMINSESSIONS_SPOOL_KEY_FILE", "ADMINSESSIONS_SPOOL_KEY", "ADMINSESSIONS_SPOOL_KEY_COMMAND"
	name, text, err := credential.OneOf(getenv, inFile, itself, command)
	if err != nil || name == "" {
		return nil, err
	}
	switch name {
	case inFile:
		text, err = credential.File(text)
	case command:
		text, err = credential.Command(text)
	}
	var keys []*Key
	if err == nil {
		keys, err = ReadKeys(text)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return keys, nil
}

// Seal encrypts something that is kept beside the spool. what says what it is, and
// must be the same when it is opened.
func (k *Key) Seal(what string, b []byte) []byte {
	return k.derive("beside the spool", nil).Seal(nil, nil, b, []byte(what)) //nolint:gosec // the nonce is random, and made by Seal
}

// OpenSealed decrypts what one of the keys has sealed.
func OpenSealed(keys []*Key, what string, sealed []byte) ([]byte, error) {
	for _, k := range keys {
		if b, err := k.derive("beside the spool", nil).Open(nil, nil, sealed, []byte(what)); err == nil {
			return b, nil
		}
	}
	return nil, errors.New("none of the keys opens it")
}

// derive returns AES-256-GCM, with random nonces, for one purpose.
func (k *Key) derive(purpose string, salt []byte) cipher.AEAD {
	key, err := hkdf.Key(sha256.New, k.key[:], salt, "adminsessions spool 1 "+purpose, KeyBytes)
	var block cipher.Block
	if err == nil {
		block, err = aes.NewCipher(key)
	}
	var aead cipher.AEAD
	if err == nil {
		aead, err = cipher.NewGCMWithRandomNonce(block)
	}
	if err != nil {
		panic("spool: " + err.Error()) // the lengths are right
	}
	return aead
}

// mac proves that whoever has the key has written that a log of this secret is
// encrypted from a number on.
func (k *Key) mac(s secret, from uint64) []byte {
	m := hmac.New(sha256.New, k.key[:])
	m.Write([]byte("adminsessions spool sealed from\x00"))
	m.Write(s[:])
	m.Write(binary.LittleEndian.AppendUint64(nil, from))
	return m.Sum(nil)
}
