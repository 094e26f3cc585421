package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// What a request did, for the record of it.

func noteCreated(ctx context.Context, c client) {
	noteClient(ctx, c.ID, fmt.Sprintf("client %d created: %s, %s", c.ID, c.Name, c.Plan))
}

func noteDeleted(ctx context.Context, c client) {
	noteClient(ctx, c.ID, fmt.Sprintf("client %d deleted: %s", c.ID, c.Name))
}

// noteChanged names the fields and, where they are short and nobody's
// secret, both values.
func noteChanged(ctx context.Context, before, after client) {
	var changes []string
	changed := func(field, from, to string) {
		if from != to {
			changes = append(changes, fmt.Sprintf("%s %s → %s", field, from, to))
		}
	}
	changed("status", string(before.Status), string(after.Status))
	changed("plan", before.Plan, after.Plan)
	for _, field := range []struct{ name, from, to string }{
		{"name", before.Name, after.Name},
		{"company", before.Company, after.Company},
		{"e-mail", before.Email, after.Email},
		{"phone", before.Phone, after.Phone},
		{"city", before.City, after.City},
		{"country", before.Country, after.Country},
		{"notes", before.Notes, after.Notes},
	} {
		if field.from != field.to {
			changes = append(changes, field.name)
		}
	}
	what := "nothing new"
	if len(changes) > 0 {
		what = strings.Join(changes, ", ")
	}
	noteClient(ctx, after.ID, "client "+strconv.Itoa(after.ID)+" changed: "+what)
}
