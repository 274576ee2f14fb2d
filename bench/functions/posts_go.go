// What the database benchmark asks of ctx.DB.
package main

import (
	"fmt"
	"math/rand"
	"strings"

	"github.com/watzon/alyx/pkg/runtime"
)

func id(number int) string { return fmt.Sprintf("00000000-0000-7000-8000-%012d", number) }

func post(number int) map[string]any {
	body := strings.Repeat("x", 100)
	return map[string]any{"title": fmt.Sprintf("Post %d", number), "body": body, "published": true, "views": number}
}

func Handler(ctx *runtime.Context) (any, error) {
	posts := ctx.DB.Collection("posts")
	switch ctx.Input["do"] {
	case "seed":
		for number := range 1000 {
			document := post(number)
			document["id"] = id(number)
			if _, err := posts.Create(document); err != nil {
				return nil, err
			}
		}
		return nil, nil
	case "get":
		return posts.Get(id(rand.Intn(1000)))
	case "get_ten":
		all := make([]any, 10)
		for at := range all {
			document, err := posts.Get(id(rand.Intn(1000)))
			if err != nil {
				return nil, err
			}
			all[at] = document
		}
		return all, nil
	case "create":
		return posts.Create(post(1))
	default:
		return posts.List(runtime.Query{Sort: "id", Limit: 1000})
	}
}
