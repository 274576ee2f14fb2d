package shim

import (
	"strings"
	"syscall"
	"time"
)

// echoes says that log lines are to be seen on the real stdout as well: it is
// the log of the engine that runs the worker's container.
var echoes = takeVariable("ALYX_ECHO") != ""

var oneLine = strings.NewReplacer("\r", "", "\n", `\n`)

// echo writes one line. It begins with its time, by which the host knows what
// it has got already.
func echo(level, message string, fields []byte) {
	stamp := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	line := stamp + " " + strings.ToUpper(level) + " " + oneLine.Replace(message)
	if len(fields) > len("{}") {
		line += " " + oneLine.Replace(string(fields))
	}
	// Nobody reads: the host has the line.
	_, _ = syscall.Write(1, []byte(line+"\n"))
}
