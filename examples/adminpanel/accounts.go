package main

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"strings"
)

// An account is somebody who may administer.
type account struct {
	ID       string
	FullName string
	Email    string
	Role     string // at the start; team.go has it as it is now
	Tenant   string

	salt, password []byte // password is derived, never as typed
}

// Initials stand in for a picture.
func (a *account) Initials() string {
	var initials []rune
	for word := range strings.FieldsSeq(a.FullName) {
		initials = append(initials, []rune(word)[0])
	}
	return strings.ToUpper(string(initials[:min(2, len(initials))]))
}

// accounts holds everyone who may come in. It never changes.
type accounts struct {
	byEmail map[string]*account
	nobody  *account // compared against when the e-mail is unknown
}

// demoPassword is every demo account's password.
const demoPassword = "demo"

// demoToken is a demo account's bearer token, known in advance so that the
// README can show a request. Real ones are made in Settings.
func demoToken(email string) string {
	name, _, _ := strings.Cut(email, "@")
	return "demo-token-" + name
}

func demoAccounts() *accounts {
	all := &accounts{byEmail: make(map[string]*account), nobody: &account{}}
	all.nobody.setPassword(rand.Text())
	for _, a := range []*account{
		{ID: "1", FullName: "Demo Admin", Email: "demo-admin@example.com", Role: "Owner", Tenant: "northbridge"},
		{ID: "2", FullName: "Anna Kowalska", Email: "anna@example.com", Role: "Support", Tenant: "northbridge"},
		{ID: "3", FullName: "Rory O'Neil", Email: "rory@example.com", Role: "Billing", Tenant: "southport"},
	} {
		a.setPassword(demoPassword)
		all.byEmail[a.Email] = a
	}
	return all
}

// byID returns an account, or nil.
func (all *accounts) byID(id string) *account {
	for _, a := range all.byEmail {
		if a.ID == id {
			return a
		}
	}
	return nil
}

// check returns the account that e-mail and password belong to, or nil. It
// takes as long for an unknown e-mail as for a wrong password.
func (all *accounts) check(email, password string) *account {
	a, ok := all.byEmail[strings.ToLower(strings.TrimSpace(email))]
	if !ok {
		a = all.nobody
	}
	if subtle.ConstantTimeCompare(a.derive(password), a.password) != 1 || !ok {
		return nil
	}
	return a
}

func (a *account) setPassword(password string) {
	a.salt = []byte(rand.Text())
	a.password = a.derive(password)
}

// rounds is low: the API derives the password on every Basic request, and
// what it protects is printed in the README.
const rounds = 4096

func (a *account) derive(password string) []byte {
	key, err := pbkdf2.Key(sha256.New, password, a.salt, rounds, sha256.Size)
	if err != nil {
		panic(err) // the arguments are constants
	}
	return key
}
