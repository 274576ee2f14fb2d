package shim

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// dup2 makes descriptor `to` a copy of `from`. Some Linux ports have only dup3.
func dup2(from, to int) error { return syscall.Dup3(from, to, 0) }

// memfdCreate holds system call numbers that package syscall, being frozen,
// does not know.
var memfdCreate = map[string]uintptr{
	"386": 356, "amd64": 319, "arm": 385, "arm64": 279, "loong64": 279, "ppc64le": 360, "riscv64": 279, "s390x": 350,
}

// anonymousFile is a file that only this process and its successor can see.
func anonymousFile() (*os.File, error) {
	number, known := memfdCreate[runtime.GOARCH]
	if !known {
		return unlinkedFile()
	}
	name := []byte("alyx\x00")
	fd, _, errno := syscall.Syscall(number, uintptr(unsafe.Pointer(&name[0])), 0, 0)
	if errno != 0 {
		return unlinkedFile()
	}
	return os.NewFile(fd, "alyx handover"), nil
}
