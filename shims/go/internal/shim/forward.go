package shim

import (
	"io"
	"net"
	"os"
	"strings"
)

// forward leads to the host's proxy from a port of loopback, for a container
// without a network. It only passes bytes on; what may be reached is for the
// host to say.
func forward() {
	socket := strings.TrimPrefix(os.Getenv("ALYX_PROXY"), "unix:")
	if socket == "" {
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:3128")
	if err != nil {
		return // what is asked for fails by itself
	}
	go func() {
		free := make(chan struct{}, 128)
		for {
			free <- struct{}{}
			program, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { <-free }()
				passOn(program, socket)
			}()
		}
	}()
}

func passOn(program net.Conn, socket string) {
	defer program.Close()
	proxy, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer proxy.Close()
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{proxy, program}, {program, proxy}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1])
			if half, ok := pair[0].(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite()
			}
			done <- struct{}{}
		}()
	}
	<-done
	<-done
}
