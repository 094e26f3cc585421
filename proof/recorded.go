package proof

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
)

// ErasedAction is the action of the event that puts an erasure on record.
const ErasedAction = "trail.erased"

// Why events that were given a number are not in the trail, where verify must know
// it: they are in quarantine, from where they may come late; they were lost with a
// part of the spool, or with the process, which may have delivered them before; they
// are older than the tree.
const (
	Quarantined = "quarantined"
	Damaged     = "damaged"
	Unused      = "unused"
	Unproven    = "unproven"
)

// MayBeThere reports whether events that are declared absent for a reason may be in
// the trail nevertheless.
func MayBeThere(reason string) bool {
	return reason == Damaged || reason == Unused || reason == Unproven
}

// Events that come out of quarantine late are put on record, with their leaves as
// erased ones are, by an event with this action and this attribute reason.
const (
	LateAction = "trail.quarantined"
	LateReason = "delivered_late"
)

// IsLate reports whether an event says that others came late.
func IsLate(e *adminsessions.Event) bool {
	if e.Action != LateAction {
		return false
	}
	return slices.ContainsFunc(e.Attributes, func(a attribute.KeyValue) bool {
		return a.Key == "reason" && a.Value.String() == LateReason
	})
}

// RecordedLeaf is what is left of an event that was erased: its number and its
// leaf's hash, with which the tree can still be made. The hash tells nothing of
// the event.
type RecordedLeaf struct {
	Number uint64
	Hash   Hash
}

const (
	leavesLog      = "log"
	leavesPrefix   = "leaves."
	leavesPerValue = 14 // fit an attribute

	// MaxRecordedLeaves is how many leaves one event can put on record.
	MaxRecordedLeaves = 24 * leavesPerValue
)

// LeafAttributes are the attributes of the event that puts the erasure of a
// log's events on record, at most [MaxRecordedLeaves] of them.
func LeafAttributes(log string, leaves []RecordedLeaf) []attribute.KeyValue {
	attrs := []attribute.KeyValue{attribute.String(leavesLog, log)}
	for part := 0; len(leaves) > 0; part++ {
		n := min(len(leaves), leavesPerValue)
		words := make([]string, n)
		for i, l := range leaves[:n] {
			words[i] = strconv.FormatUint(l.Number, 10) + ":" + encode(l.Hash)
		}
		attrs = append(attrs, attribute.String(fmt.Sprintf("%s%02d", leavesPrefix, part), strings.Join(words, " ")))
		leaves = leaves[n:]
	}
	return attrs
}

// RecordedLeaves reads what [LeafAttributes] has written into an event.
func RecordedLeaves(e *adminsessions.Event) (log string, leaves []RecordedLeaf, err error) {
	for _, a := range e.Attributes {
		switch key := string(a.Key); {
		case key == leavesLog:
			log = a.Value.String()
		case strings.HasPrefix(key, leavesPrefix):
			for word := range strings.FieldsSeq(a.Value.String()) {
				number, hash, _ := strings.Cut(word, ":")
				n, err1 := strconv.ParseUint(number, 10, 64)
				h, err2 := decode(hash)
				if err := errors.Join(err1, err2); err != nil {
					return "", nil, fmt.Errorf("the leaf %.60q of an erased event: %w", word, err)
				}
				leaves = append(leaves, RecordedLeaf{n, h})
			}
		}
	}
	if log == "" || len(leaves) == 0 {
		return "", nil, errors.New("it names no log or no events")
	}
	return log, leaves, nil
}
