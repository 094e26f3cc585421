package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// status is how a client stands with the company.
type status string

const (
	active    status = "active"
	suspended status = "suspended"
	closed    status = "closed"
)

// A client is somebody who hosts with the company.
type client struct {
	ID           int       `json:"id" audit:"-"`
	Name         string    `json:"name"`
	Company      string    `json:"company,omitempty"`
	Email        string    `json:"email"`
	Phone        string    `json:"phone,omitempty"`
	City         string    `json:"city,omitempty"`
	Country      string    `json:"country"` // ISO 3166-1 alpha-2
	Plan         string    `json:"plan"`
	MonthlyCents int       `json:"monthly_cents"` // euro cents a month
	Status       status    `json:"status"`
	Notes        string    `json:"notes,omitempty"`
	CreatedAt    time.Time `json:"created_at" audit:"-"`
	UpdatedAt    time.Time `json:"updated_at" audit:"-"`
}

// errNoClient is asked for, but not there.
var errNoClient = errors.New("there is no such client")

// clients keeps all clients in memory and, after every change, in a file.
type clients struct {
	path string // empty: in memory only
	now  func() time.Time

	mu   sync.RWMutex
	byID map[int]client
	next int
}

// openClients reads the file at path. If there is none yet it starts with
// made-up clients.
func openClients(path string, now func() time.Time) (*clients, error) {
	c := &clients{path: path, now: now, byID: make(map[int]client)}
	var kept clientsFile
	data, err := os.ReadFile(path)
	switch {
	case path == "" || errors.Is(err, fs.ErrNotExist):
		kept.Clients = madeUpClients(now())
	case err != nil:
		return nil, fmt.Errorf("read the clients: %w", err)
	default:
		if err := json.Unmarshal(data, &kept); err != nil {
			return nil, fmt.Errorf("read the clients in %s: %w; move the file away to start afresh", path, err)
		}
	}
	c.next = kept.Next
	for _, client := range kept.Clients {
		c.byID[client.ID] = client
		c.next = max(c.next, client.ID+1)
	}
	return c, nil
}

// clientsFile is the file's content. A number is never given twice, also when
// its client has been deleted.
type clientsFile struct {
	Next    int      `json:"next"`
	Clients []client `json:"clients"`
}

// get returns one client.
func (c *clients) get(id int) (client, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	found, ok := c.byID[id]
	if !ok {
		return client{}, fmt.Errorf("client %d: %w", id, errNoClient)
	}
	return found, nil
}

// create gives a client its number and keeps it.
func (c *clients) create(in client) (client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	in.ID, in.CreatedAt, in.UpdatedAt = c.next, c.now().UTC(), c.now().UTC()
	c.byID[in.ID] = in
	c.next++
	if err := c.save(); err != nil {
		delete(c.byID, in.ID)
		return client{}, err
	}
	return in, nil
}

// update replaces what a person can change of a client.
func (c *clients) update(id int, in client) (before, after client, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before, ok := c.byID[id]
	if !ok {
		return client{}, client{}, fmt.Errorf("client %d: %w", id, errNoClient)
	}
	in.ID, in.CreatedAt, in.UpdatedAt = id, before.CreatedAt, c.now().UTC()
	c.byID[id] = in
	if err := c.save(); err != nil {
		c.byID[id] = before
		return client{}, client{}, err
	}
	return before, in, nil
}

// setStatus changes how a client stands.
func (c *clients) setStatus(id int, to status) (before, after client, err error) {
	in, err := c.get(id)
	if err != nil {
		return client{}, client{}, err
	}
	in.Status = to
	return c.update(id, in)
}

// delete removes a client and returns what it was.
func (c *clients) delete(id int) (client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was, ok := c.byID[id]
	if !ok {
		return client{}, fmt.Errorf("client %d: %w", id, errNoClient)
	}
	delete(c.byID, id)
	if err := c.save(); err != nil {
		c.byID[id] = was
		return client{}, err
	}
	return was, nil
}

// save writes the file anew and puts it in the old one's place. The caller
// holds the lock.
func (c *clients) save() error {
	if c.path == "" {
		return nil
	}
	data, err := json.MarshalIndent(clientsFile{Next: c.next, Clients: c.sorted(byNumber)}, "", "\t")
	if err != nil {
		return fmt.Errorf("save the clients: %w", err)
	}
	next := c.path + ".new"
	if err := os.MkdirAll(filepath.Dir(c.path), 0o700); err != nil {
		return fmt.Errorf("save the clients: %w", err)
	}
	if err := os.WriteFile(next, data, 0o600); err != nil {
		return fmt.Errorf("save the clients: %w", err)
	}
	if err := os.Rename(next, c.path); err != nil {
		return fmt.Errorf("save the clients: %w", err)
	}
	return nil
}

// A query narrows and orders the list of clients.
type query struct {
	Search  string
	Status  status // empty: any
	Sort    string // a key of orders, "-" before it for descending
	Page    int    // from 1
	PerPage int
}

// orders are the columns to sort by.
var orders = map[string]func(a, b client) int{
	"id":      byNumber,
	"name":    func(a, b client) int { return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) },
	"plan":    func(a, b client) int { return cmp.Compare(a.MonthlyCents, b.MonthlyCents) },
	"status":  func(a, b client) int { return cmp.Compare(a.Status, b.Status) },
	"created": func(a, b client) int { return a.CreatedAt.Compare(b.CreatedAt) },
}

func byNumber(a, b client) int { return cmp.Compare(a.ID, b.ID) }

// find returns one page of the clients that match, and how many do.
func (c *clients) find(q query) (page []client, total int) {
	column, descending := strings.CutPrefix(q.Sort, "-")
	order, ok := orders[column]
	if !ok {
		order, descending = byNumber, true
	}
	if descending {
		ascending := order
		order = func(a, b client) int { return ascending(b, a) }
	}

	c.mu.RLock()
	all := c.sorted(order)
	c.mu.RUnlock()
	matching := slices.DeleteFunc(all, func(one client) bool { return !q.matches(one) })
	from := min((max(q.Page, 1)-1)*q.PerPage, len(matching))
	to := min(from+q.PerPage, len(matching))
	return matching[from:to], len(matching)
}

func (q query) matches(c client) bool {
	if q.Status != "" && c.Status != q.Status {
		return false
	}
	text := strings.ToLower(fmt.Sprint(c.ID, " ", c.Name, " ", c.Company, " ", c.Email, " ", c.City))
	return strings.Contains(text, strings.ToLower(strings.TrimSpace(q.Search)))
}

// sorted returns all clients; the caller holds the lock.
func (c *clients) sorted(order func(a, b client) int) []client {
	all := make([]client, 0, len(c.byID))
	for _, one := range c.byID {
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b client) int { return cmp.Or(order(a, b), byNumber(a, b)) })
	return all
}
