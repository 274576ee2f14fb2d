//go:build !linux

package shim

import (
	"os"
	"syscall"
)

// dup2 makes descriptor `to` a copy of `from`.
func dup2(from, to int) error { return syscall.Dup2(from, to) }

func anonymousFile() (*os.File, error) { return unlinkedFile() }
