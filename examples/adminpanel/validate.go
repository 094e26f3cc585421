package main

import (
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// A plan is what a client pays for.
type plan struct {
	Name         string
	MonthlyCents int
}

var plans = []plan{
	{"Web S", 499},
	{"Web M", 1199},
	{"Cloud S", 2900},
	{"Cloud M", 5900},
	{"Cloud L", 11900},
	{"Dedicated", 24900},
}

var statuses = []status{active, suspended, closed}

var countryCode = regexp.MustCompile(`^[A-Z]{2}$`)

// faults says what is wrong with a client, by field; empty if nothing is.
type faults map[string]string

// clean trims what a person typed, fills in the plan's price, and reports
// what can't be kept.
func (c *client) clean() faults {
	wrong := make(faults)
	text := func(field string, value *string, required bool, most int) {
		*value = strings.TrimSpace(*value)
		switch {
		case required && *value == "":
			wrong[field] = "is required"
		case utf8.RuneCountInString(*value) > most:
			wrong[field] = "is too long"
		}
	}
	text("name", &c.Name, true, 80)
	text("company", &c.Company, false, 80)
	text("email", &c.Email, false, 120)
	text("phone", &c.Phone, false, 30)
	text("city", &c.City, false, 60)
	text("notes", &c.Notes, false, 2000)
	if _, err := mail.ParseAddress(c.Email); c.Email != "" && err != nil && wrong["email"] == "" {
		wrong["email"] = "is not an e-mail address"
	}
	c.Country = strings.ToUpper(strings.TrimSpace(c.Country))
	if c.Country != "" && !countryCode.MatchString(c.Country) {
		wrong["country"] = "must be a two-letter country code, such as PL"
	}
	if c.Status == "" {
		c.Status = active
	}
	if !slices.Contains(statuses, c.Status) {
		wrong["status"] = "must be active, suspended or closed"
	}
	if c.Plan == "" {
		c.Plan = plans[0].Name
	}
	at := slices.IndexFunc(plans, func(p plan) bool { return p.Name == c.Plan })
	if at < 0 {
		var names []string
		for _, p := range plans {
			names = append(names, p.Name)
		}
		wrong["plan"] = "must be one of " + strings.Join(names, ", ")
	} else {
		c.MonthlyCents = plans[at].MonthlyCents
	}
	return wrong
}
