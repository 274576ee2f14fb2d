// functions/my_posts.go
package main

import "github.com/watzon/alyx/pkg/runtime"

var Schema = runtime.Schema{
	Input: runtime.Fields{
		{Name: "limit", Type: "integer", Min: 1, Max: 100, Default: 10},
	},
}

// Handler returns the caller's newest posts and how many there are.
func Handler(ctx *runtime.Context) (any, error) {
	if ctx.Auth == nil {
		return nil, &runtime.Error{Code: "UNAUTHENTICATED", Message: "Authentication required"}
	}

	var input struct{ Limit int }
	if err := ctx.Bind(&input); err != nil {
		return nil, err
	}

	return ctx.DB.Collection("posts").List(runtime.Query{
		Filter: runtime.M{"author_id": ctx.Auth.ID},
		Sort:   "-created_at",
		Limit:  input.Limit,
		Fields: []string{"id", "title", "slug", "tags"},
	})
}
