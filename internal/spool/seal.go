package spool

import (
	"crypto/cipher"
	"crypto/hmac"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
)

// Records at rest can be encrypted, with a key from outside. An encrypted frame's
// payload is AES-256-GCM with a random nonce in front of it: the number of the record
// written before, and the payload. The frame's header is authenticated with it, and
// the key is derived for the log and the segment's first number; so a record can't be
// read, forged, changed, moved or repeated by who has the disk, and one that is taken
// out from among others is missed.
//
// From what number on all records are encrypted stands, with a proof that the key's
// owner has written it, in the file sealed. A record behind it that is not is none of
// the log's.

const (
	sealedName   = "sealed"
	sealedMark   = "adminsessions spool encrypted from"
	sealedPrefix = 8                      // the number before
	sealOverhead = sealedPrefix + 12 + 16 // and nonce and tag
)

// ErrKey matches, with errors.Is, the errors about a key that is missing or is
// another one than the spool was written with. Nothing is lost by them.
var ErrKey = errors.New("the spool's key")

// sealer encrypts or decrypts the frames of one segment, for one goroutine.
type sealer struct {
	aeads []cipher.AEAD // to be tried; the first one encrypts
	buf   []byte
}

// sealer derives the keys for the segment that begins with first.
func (s secret) sealer(first uint64, keys ...*Key) *sealer {
	salt := binary.LittleEndian.AppendUint64(append([]byte(nil), s[:]...), first)
	o := &sealer{}
	for _, k := range keys {
		o.aeads = append(o.aeads, k.derive("segment", salt))
	}
	return o
}

// appendSealed appends the encrypted payload of a record whose frame's header has
// been appended last.
func (o *sealer) appendSealed(b []byte, rec *Record) []byte {
	o.buf = binary.LittleEndian.AppendUint64(o.buf[:0], rec.prev)
	o.buf = append(o.buf, rec.Payload...)
	return o.aeads[0].Seal(b, nil, o.buf, b[len(b)-frameHeader:]) //nolint:gosec // the nonce is random, and made by Seal
}

// open decrypts the payload of a record.
func (o *sealer) open(rec *Record, header []byte) bool {
	for _, a := range o.aeads {
		b, err := a.Open(o.buf[:0], nil, rec.Payload, header)
		if err != nil || len(b) < sealedPrefix {
			continue
		}
		o.buf = b
		rec.prev = binary.LittleEndian.Uint64(b)
		rec.Payload = b[sealedPrefix:len(b):len(b)]
		return true
	}
	return false
}

// frameBytes is how much a record takes in the segments that are written now.
func (l *Log) frameBytes(payload int) int64 {
	if len(l.opts.Keys) > 0 {
		payload += sealOverhead
	}
	return frameSize(payload)
}

// keyFor returns what the frames of a segment are read with. whole says that its
// header is; else only its name is known. highest is the highest number that a
// record may have there.
func (l *Log) keyFor(seg *segment, h header, whole bool) (key frameKey, highest uint64, err error) {
	key, highest = l.ident.secret.key(h.first), math.MaxUint64
	keys := l.opts.Keys
	switch {
	case whole && h.keyID != 0:
		for _, k := range keys {
			if k.id == h.keyID {
				key.seal = l.ident.secret.sealer(h.first, k)
				return key, highest, nil
			}
		}
		if len(keys) == 0 {
			return key, 0, fmt.Errorf("spool: %s is encrypted: give %w, ADMINSESSIONS_SPOOL_KEY_FILE, _KEY or _KEY_COMMAND", l.path(seg.name), ErrKey)
		}
		return key, 0, fmt.Errorf("spool: %s is encrypted with another key than those given: give %w of that time as well, behind the new one", l.path(seg.name), ErrKey)
	case l.sealedFrom == 0: // it is not known to be encrypted
		return key, highest, nil
	case !whole && h.first >= l.sealedFrom:
		key.seal = l.ident.secret.sealer(h.first, keys...)
		return key, highest, nil
	}
	return key, l.sealedFrom - 1, nil
}

// readSealed reads from what number on records are encrypted, and checks the keys.
// It is called before anything else is read.
func (l *Log) readSealed() error {
	from, tag, err := l.sealedFile()
	if err != nil {
		return err
	}
	keys := l.opts.Keys
	newest, err := l.newestKeyID()
	switch {
	case err != nil:
		return err
	case len(keys) == 0 && from != 0:
		return fmt.Errorf("spool: %s is encrypted: give %w, ADMINSESSIONS_SPOOL_KEY_FILE, _KEY or _KEY_COMMAND", l.opts.Dir, ErrKey)
	case len(keys) == 0:
		return nil // a segment may tell otherwise
	}
	for i, k := range keys {
		if from != 0 && hmac.Equal(tag, k.mac(l.ident.secret, from)) {
			l.sealedFrom, l.sealedBy = from, i
			return nil
		}
	}
	l.sealedBy = -1
	if newest == 0 && from != 0 || newest != 0 && !slices.ContainsFunc(keys, func(k *Key) bool { return k.id == newest }) {
		return fmt.Errorf("spool: %s is encrypted with another key than those given: give %w of that time as well, behind the new one", l.opts.Dir, ErrKey)
	}
	if newest != 0 {
		// Its file is gone or changed: nothing is believed that is not encrypted.
		l.sealedFrom = 1
		l.opts.Logger.Error("spool: the file that says from what number on records are encrypted is gone or was changed; records that are not are refused",
			"dir", l.opts.Dir, "file", sealedName)
	}
	return nil
}

// newestKeyID is that of the newest segment whose header can be read, 0 if it is not
// encrypted.
func (l *Log) newestKeyID() (uint32, error) {
	for i := len(l.segments) - 1; i >= 0; i-- {
		f, h, ok, err := l.openSegment(l.segments[i])
		closeIfOpen(f)
		if err == nil && ok {
			return h.keyID, nil
		}
		if err != nil && !permanent(err) && !errors.Is(err, fs.ErrNotExist) {
			return 0, fmt.Errorf("spool: opening segment: %w", err)
		}
	}
	return 0, nil
}

// writeSealed makes the file if it is not what it should be: records from the next
// number on are encrypted, if they have not been before.
func (l *Log) writeSealed(next uint64) error {
	if len(l.opts.Keys) == 0 || l.sealedFrom != 0 && l.sealedBy == 0 {
		return nil
	}
	if l.sealedFrom == 0 {
		l.sealedFrom = next
		l.opts.Logger.Info("spool: records are encrypted from now on", "dir", l.opts.Dir, "from_number", next)
	}
	text := fmt.Sprintf("%s %d %x\n", sealedMark, l.sealedFrom, l.opts.Keys[0].mac(l.ident.secret, l.sealedFrom))
	name := l.path(sealedName)
	fsys := l.opts.FS
	if err := fsys.Remove(name + ".tmp"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("spool: writing %s: %w", name, err)
	}
	f, err := fsys.OpenFile(name+".tmp", os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err == nil {
		_, err = f.WriteAt([]byte(text), 0)
		if err == nil {
			err = f.Sync()
		}
		err = errors.Join(err, f.Close())
	}
	if err == nil {
		err = fsys.Rename(name+".tmp", name)
	}
	if err == nil {
		err = fsys.SyncDir(l.opts.Dir)
	}
	if err != nil {
		return fmt.Errorf("spool: writing %s: %w", name, err)
	}
	l.sealedBy = 0
	return nil
}

// sealedFile reads the file; from is 0 if there is none that can be read.
func (l *Log) sealedFile() (from uint64, tag []byte, err error) {
	f, err := l.opts.FS.OpenFile(l.path(sealedName), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil, nil
	}
	if err != nil {
		return 0, nil, fmt.Errorf("spool: opening %s: %w", l.path(sealedName), err)
	}
	defer f.Close()
	b := make([]byte, 256)
	n, err := f.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return 0, nil, fmt.Errorf("spool: reading %s: %w", l.path(sealedName), err)
	}
	text, ok := strings.CutPrefix(string(b[:n]), sealedMark+" ")
	if !ok {
		return 0, nil, nil
	}
	var sum string
	if _, err := fmt.Sscanf(text, "%d %s\n", &from, &sum); err != nil {
		return 0, nil, nil // it is damaged, as if it were not there
	}
	if tag, err = hex.DecodeString(sum); err != nil {
		return 0, nil, nil
	}
	return from, tag, nil
}
