package main

import (
	"context"
	"strconv"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
)

// What a request did, for the record of it: what the route does not tell.

// changedClient records which client was made, changed or deleted, and its values
// before and after. nil is none.
func changedClient(ctx context.Context, before, after *client) {
	one := after
	if one == nil {
		one = before
	}
	instrumentation.SetResource(ctx, adminsessions.Resource{ID: strconv.Itoa(one.ID), Name: one.Name})
	instrumentation.Changed(ctx, before, after)
}
