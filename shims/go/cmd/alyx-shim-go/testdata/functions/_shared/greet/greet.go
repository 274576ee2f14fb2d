// Package greet is shared by functions.
package greet

// Hello is what chatty answers.
const Hello = "hello"
