package shim

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

// Handover: a blank worker becomes the function's binary by exec, so that there
// is one process and no proxy. The connection stays open; what the successor
// must know besides (the handshake's result and the load request that is still
// unanswered) travels in an anonymous file, since it holds secrets. The
// variable holds only descriptor numbers: kind, in, out, file.
const handoverVariable = "ALYX_HANDOVER"

// maxHandover bounds what is read back: one handshake and one load frame.
const maxHandover = 32 << 20

// busyRetries covers a binary that another process of the host's has just
// finished writing and whose descriptor a fork still holds (ETXTBSY).
const busyRetries = 20

type handover struct {
	Session Session         `json:"session"`
	LoadID  int64           `json:"loadId"`
	Load    json.RawMessage `json:"load"`
}

// replaceBy turns this process into the binary at path. It returns only if it
// cannot, and leaves everything as it was.
func (l *link) replaceBy(path string, h handover) error {
	file, err := writeHandover(h)
	if err != nil {
		return err
	}
	defer file.Close()
	state, err := inheritableDup(file)
	if err != nil {
		return err
	}
	defer syscall.Close(state)
	in, out, err := l.inheritable()
	if err != nil {
		return err
	}
	defer syscall.Close(in)
	defer syscall.Close(out)
	env := append(os.Environ(), fmt.Sprintf("%s=%s:%d:%d:%d", handoverVariable, l.kind, in, out, state))
	for range busyRetries {
		if err = syscall.Exec(path, []string{path}, env); err != syscall.ETXTBSY {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}

func writeHandover(h handover) (*os.File, error) {
	body, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	file, err := anonymousFile()
	if err != nil {
		return nil, err
	}
	if _, err = file.Write(body); err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// unlinkedFile stands in where the system has no anonymous memory files.
func unlinkedFile() (*os.File, error) {
	file, err := os.CreateTemp("", "alyx-handover-*")
	if err != nil {
		return nil, err
	}
	return file, os.Remove(file.Name())
}

// takeHandover is the successor's side; found is false in a process that was
// started in the ordinary way.
func takeHandover() (l *link, h handover, found bool, err error) {
	value, found := os.LookupEnv(handoverVariable)
	if !found {
		return nil, h, false, nil
	}
	_ = os.Unsetenv(handoverVariable)
	kind, numbers, _ := strings.Cut(value, ":")
	var in, out, state int
	if _, err = fmt.Sscanf(numbers, "%d:%d:%d", &in, &out, &state); err != nil {
		return nil, h, true, fmt.Errorf("%s=%q is not what a launcher writes", handoverVariable, value)
	}
	file := os.NewFile(uintptr(state), "alyx handover")
	defer file.Close()
	body, err := io.ReadAll(io.LimitReader(file, maxHandover))
	if err != nil {
		return nil, h, true, err
	}
	h.Session = DefaultSession()
	if err = json.Unmarshal(body, &h); err != nil {
		return nil, h, true, err
	}
	l, err = inherit(kind, in, out)
	return l, h, true, err
}
