package instrumentation

// SessionHash is the id in the trail of the session that is known to
// [WithSessionID] as id, given the same key. An application that keeps it beside
// each session that lives finds the session again that somebody has seen in the
// trail, to end it.
func SessionHash(key []byte, id string) string { return newSession(nil, key).hash(id) }
