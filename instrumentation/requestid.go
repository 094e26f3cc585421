package instrumentation

import "math/rand/v2"

// requestIDAlphabet leaves out letters that are easily misread: people read
// request ids to each other.
const requestIDAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"

const requestIDLength = 20

// appendRequestID appends 100 random bits. They need to be unique, not secret.
func appendRequestID(b []byte) []byte {
	for range 2 {
		bits := rand.Uint64()
		for range requestIDLength / 2 {
			b = append(b, requestIDAlphabet[bits&31])
			bits >>= 5
		}
	}
	return b
}

// isRequestID reports whether an id from a header can be taken over.
func isRequestID(s string) bool {
	if s == "" || len(s) > maxRequestIDBytes {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '-', c == '_', c == '.', c == ':', c == '/', c == '+', c == '=', c == '@', c == '~':
		default:
			return false
		}
	}
	return true
}
