// Package proxy holds the end-to-end tests of adminsessions proxy: real panels
// that nobody here wrote, used by a browser through it, with a real Loki behind.
package proxy
