package runtime_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/watzon/alyx/pkg/runtime"
)

// The examples run against a database that plays back answers.

const (
	onePost  = `"result":{"doc":{"id":"p1","title":"Hello","published":true,"views":12,"created_at":"2026-01-24T10:30:00.000Z"}}`
	twoPosts = `"result":{"docs":[{"id":"p1","title":"Hello"},{"id":"p2","title":"Again"}],"total":42}`
	taken    = `"error":{"code":-32041,"message":"users.email 'a@b.c' exists already","data":{"code":"UNIQUE_VIOLATION","details":{"field":"email"}}}`
)

// call runs a handler and prints what its caller gets.
func call(handler runtime.Handler, answer string) {
	ctx := runtime.FakeHost(func(runtime.Syscall) string { return answer }).Context
	ctx.Input = map[string]any{"id": "p1", "email": "a@b.c"}
	ctx.Auth = &runtime.Auth{ID: "u1"}
	output, err := handler(ctx)
	if err != nil {
		fmt.Println("error:", runtime.Code(err), err)
		return
	}
	if err := json.NewEncoder(os.Stdout).Encode(output); err != nil {
		fmt.Println(err)
	}
}

func ExampleCollection_List() {
	handler := func(ctx *runtime.Context) (any, error) {
		return ctx.DB.Collection("posts").List(runtime.Query{
			Filter: runtime.M{"author_id": ctx.Auth.ID, "price": runtime.M{"$gte": 10, "$lt": 100}},
			Sort:   "-created_at,title",
			Limit:  20,
			Fields: []string{"id", "title"},
		})
	}
	call(handler, twoPosts)
	// Output: {"docs":[{"id":"p1","title":"Hello"},{"id":"p2","title":"Again"}],"total":42}
}

func ExampleCollection_Get() {
	handler := func(ctx *runtime.Context) (any, error) {
		id, _ := ctx.Input["id"].(string)
		post, err := ctx.DB.Collection("posts").Get(id)
		if err != nil {
			return nil, err
		}
		if post == nil {
			return nil, &runtime.Error{Code: "NOT_FOUND", Message: "no such post"}
		}
		return post["title"], nil
	}
	call(handler, onePost)
	call(handler, `"result":{"doc":null}`)
	// Output:
	// "Hello"
	// error: NOT_FOUND no such post
}

func ExampleCollection_Create() {
	type Post struct {
		Title     string    `json:"title"`
		Published bool      `json:"published"`
		AuthorID  string    `json:"author_id"`
		At        time.Time `json:"published_at,omitzero"`
	}
	handler := func(ctx *runtime.Context) (any, error) {
		post, err := ctx.DB.Collection("posts").Create(Post{Title: "Hello", Published: true, AuthorID: ctx.Auth.ID})
		if err != nil {
			return nil, err
		}
		return post["id"], nil
	}
	call(handler, onePost)
	// Output: "p1"
}

func ExampleCollection_Update() {
	handler := func(ctx *runtime.Context) (any, error) {
		return ctx.DB.Collection("posts").Update("p9", runtime.M{"title": "Updated Title"})
	}
	call(handler, `"error":{"code":-32040,"message":"no document 'p9' in 'posts'","data":{"code":"NOT_FOUND"}}`)
	// Output: error: NOT_FOUND no document 'p9' in 'posts'
}

func ExampleCollection_Delete() {
	handler := func(ctx *runtime.Context) (any, error) {
		return nil, ctx.DB.Collection("posts").Delete("p1")
	}
	call(handler, `"result":{"deleted":true}`)
	// Output: null
}

func ExampleDB_Query() {
	handler := func(ctx *runtime.Context) (any, error) {
		return ctx.DB.Query("SELECT author_id, count(*) AS posts FROM posts WHERE published = ? GROUP BY author_id", true)
	}
	call(handler, `"result":{"columns":["author_id","posts"],"rows":[["u1",3],["u2",1]]}`)
	// Output: [{"author_id":"u1","posts":3},{"author_id":"u2","posts":1}]
}

func ExampleDB_Exec() {
	handler := func(ctx *runtime.Context) (any, error) {
		done, err := ctx.DB.Exec("UPDATE posts SET views = views + 1 WHERE author_id = :author", runtime.Named{"author": ctx.Auth.ID})
		if err != nil {
			return nil, err
		}
		return done.RowsAffected, nil
	}
	call(handler, `"result":{"changes":3}`)
	// Output: 3
}

func ExampleDB_Batch() {
	handler := func(ctx *runtime.Context) (any, error) {
		return ctx.DB.Batch([]runtime.Statement{
			{SQL: "UPDATE accounts SET balance = balance - ? WHERE id = ?", Args: []any{100, "a"}},
			{SQL: "UPDATE accounts SET balance = balance + ? WHERE id = ?", Args: []any{100, "b"}},
		})
	}
	call(handler, `"result":{"results":[{"changes":1},{"changes":1}]}`)
	// Output: [{"last_insert_id":null,"rows_affected":1},{"last_insert_id":null,"rows_affected":1}]
}

func ExampleCode() {
	handler := func(ctx *runtime.Context) (any, error) {
		_, err := ctx.DB.Collection("users").Create(runtime.M{"email": ctx.Input["email"]})
		var failed *runtime.Error
		switch {
		case runtime.Code(err) == "UNIQUE_VIOLATION":
			return "you are registered already", nil
		case errors.As(err, &failed) && failed.Retryable:
			return "come back later", nil
		}
		return nil, err // its code and fields reach the caller
	}
	call(handler, taken)
	call(handler, `"error":{"code":-32045,"message":"the database is busy","data":{"code":"DB_BUSY","retryable":true}}`)
	// Output:
	// "you are registered already"
	// "come back later"
}

func ExampleDecode() {
	type Post struct {
		Title   string    `json:"title"`
		Views   int64     `json:"views"`
		Created time.Time `json:"created_at"`
	}
	handler := func(ctx *runtime.Context) (any, error) {
		doc, err := ctx.DB.Collection("posts").Get("p1")
		if err != nil {
			return nil, err
		}
		var post Post
		if err := runtime.Decode(doc, &post); err != nil {
			return nil, err
		}
		return fmt.Sprint(post.Title, " ", post.Views, " ", post.Created.Year()), nil
	}
	call(handler, onePost)
	// Output: "Hello 12 2026"
}
