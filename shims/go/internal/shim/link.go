package shim

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// dialTimeout bounds the connect; the host listens before it starts a worker.
const dialTimeout = 5 * time.Second

// link is the open connection to the host: one socket, or two pipes.
type link struct {
	in, out stream
	kind    string // socket or stdio, for the process that inherits it
}

type stream interface {
	io.ReadWriteCloser
	syscall.Conn
}

var errAddress = errors.New("ALYX_ADDR must be unix:/path, tcp:host:port or stdio; an Alyx host starts this program and sets it, with ALYX_TOKEN")

// dial opens the connection that address names.
func dial(address string) (*link, error) {
	scheme, rest, _ := strings.Cut(address, ":")
	switch {
	case scheme == "unix" && rest != "":
		return dialSocket("unix", rest)
	case scheme == "tcp" && rest != "":
		if err := requireLoopback(rest); err != nil {
			return nil, err
		}
		return dialSocket("tcp", rest)
	case address == "stdio":
		return takeStdio()
	}
	return nil, errAddress
}

func dialSocket(network, address string) (*link, error) {
	conn, err := net.DialTimeout(network, address, dialTimeout)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the host: %w", err)
	}
	return socketLink(conn)
}

func socketLink(conn net.Conn) (*link, error) {
	s, ok := conn.(stream)
	if !ok {
		return nil, fmt.Errorf("a %T cannot be handed to another process", conn)
	}
	return &link{in: s, out: s, kind: "socket"}, nil
}

// requireLoopback refuses to send a token in plain text over a network.
func requireLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("ALYX_ADDR tcp:%s: %w", address, err)
	}
	ips, err := net.LookupIP(host)
	if err != nil {
		return fmt.Errorf("ALYX_ADDR tcp:%s: %w", address, err)
	}
	for _, ip := range ips {
		if !ip.IsLoopback() {
			return fmt.Errorf("ALYX_ADDR tcp:%s leaves this machine; plain TCP is for loopback only", address)
		}
	}
	return nil
}

// takeStdio moves the frames off descriptors 0 and 1, so that nothing the
// function reads or prints can touch them: 0 becomes empty, 1 becomes 2.
func takeStdio() (*link, error) {
	in, inErr := privateDup(0, "frames in")
	out, outErr := privateDup(1, "frames out")
	if err := errors.Join(inErr, outErr); err != nil {
		return nil, fmt.Errorf("cannot set standard input and output aside: %w", err)
	}
	empty, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer empty.Close()
	if err := errors.Join(dup2(int(empty.Fd()), 0), dup2(2, 1)); err != nil {
		return nil, fmt.Errorf("cannot point standard output at standard error: %w", err)
	}
	return &link{in: in, out: out, kind: "stdio"}, nil
}

// privateDup copies a descriptor to one that child processes do not inherit.
func privateDup(fd int, name string) (*os.File, error) {
	dup, err := syscall.Dup(fd)
	if err != nil {
		return nil, err
	}
	syscall.CloseOnExec(dup)
	return os.NewFile(uintptr(dup), name), nil
}

// inheritable copies the link's descriptors to ones that survive exec. They
// are the caller's to close if exec does not happen.
func (l *link) inheritable() (in, out int, err error) {
	if in, err = inheritableDup(l.in); err != nil {
		return 0, 0, err
	}
	if out, err = inheritableDup(l.out); err != nil {
		_ = syscall.Close(in)
		return 0, 0, err
	}
	return in, out, nil
}

func inheritableDup(s stream) (dup int, err error) {
	raw, err := s.SyscallConn()
	if err != nil {
		return 0, err
	}
	if controlErr := raw.Control(func(fd uintptr) { dup, err = syscall.Dup(int(fd)) }); controlErr != nil {
		return 0, controlErr
	}
	return dup, err
}

// inherit is the other side of inheritable.
func inherit(kind string, in, out int) (*link, error) {
	syscall.CloseOnExec(in)
	syscall.CloseOnExec(out)
	inFile := os.NewFile(uintptr(in), "frames in")
	outFile := os.NewFile(uintptr(out), "frames out")
	if kind == "stdio" {
		return &link{in: inFile, out: outFile, kind: kind}, nil
	}
	defer inFile.Close()
	defer outFile.Close()
	conn, err := net.FileConn(inFile)
	if err != nil {
		return nil, fmt.Errorf("inherited descriptor %d is no connection: %w", in, err)
	}
	return socketLink(conn)
}

func (l *link) close() {
	_ = l.in.Close()
	_ = l.out.Close()
}
