// Package freeport finds addresses for the servers that tests start.
package freeport

import (
	"net"
	"testing"
)

// Address is one on loopback that nobody listens on. It is free a moment before, and
// somebody else can take it until the server listens.
func Address(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Port is that of an Address.
func Port(t testing.TB) string {
	t.Helper()
	_, port, err := net.SplitHostPort(Address(t))
	if err != nil {
		t.Fatal(err)
	}
	return port
}
