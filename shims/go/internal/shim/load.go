package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/watzon/alyx/internal/wire"
)

// loadRequest is the part of `load` that a Go worker needs.
type loadRequest struct {
	function, revision, path string
	env                      map[string]string
	timeout                  time.Duration // 0 for none
}

func decodeLoad(params []byte) (r loadRequest, err error) {
	r.env = map[string]string{}
	for it := wire.MembersOf(params); it.Next(); {
		switch string(it.Name) {
		case "function":
			err = errors.Join(err, textMember(&it, &r.function))
		case "revision":
			err = errors.Join(err, textMember(&it, &r.revision))
		case "path":
			err = errors.Join(err, textMember(&it, &r.path))
		case "timeoutMs":
			r.timeout = time.Duration(min(count(&it, 0), maxDeadlineMs)) * time.Millisecond
		case "env":
			for vars := wire.MembersOf(it.Raw()); vars.Next(); {
				var value string
				name := string(vars.Name)
				err = errors.Join(err, textMember(&vars, &value))
				r.env[name] = value
			}
		}
	}
	if err == nil && (r.function == "" || r.revision == "" || r.path == "") {
		err = errors.New("function, revision and path are required")
	}
	return r, err
}

// textMember stores the current member, which must be a string.
func textMember(it *wire.Members, into *string) error {
	s, ok := it.Text()
	if !ok {
		return fmt.Errorf("%s must be a string", it.Name)
	}
	*into = s
	return nil
}

// load makes this worker the function's, or the process the function's binary.
// A Go worker holds one function for its whole life.
func (w *Worker) load(id int64, params []byte) {
	request, err := decodeLoad(params)
	held := w.held.Load()
	switch {
	case err != nil:
		w.peer.Fail(id, wire.NewError(wire.CodeInvalidParams, "load: "+err.Error()))
	case w.isDraining():
		w.peer.Fail(id, shuttingDown)
	case held != nil && held.function == request.function && held.revision == request.revision:
		w.peer.Result(id, w.loadResult)
	case held != nil:
		w.peer.Fail(id, loadFailed("unsupported", request.path, fmt.Sprintf(
			"this worker holds function %q; a Go worker takes one function, start another for %q", held.function, request.function)))
	case w.function != nil && isSelf(request.path):
		w.adopt(id, request)
	case w.frames.Buffered():
		w.peer.Fail(id, loadFailed("unsupported", request.path, "this worker has held another function; a Go worker takes one, start another"))
	default:
		err := w.become(id, request.path, params)
		w.peer.Fail(id, loadFailed("import", request.path, fmt.Sprintf(
			"cannot start the built function %q: %v", request.path, err)))
	}
}

// adopt takes the function that is compiled into this process.
func (w *Worker) adopt(id int64, request loadRequest) {
	result, err := w.describe()
	if err != nil {
		w.peer.Fail(id, loadFailed("schema", "", "Schema of "+request.function+": "+err.Error()))
		return
	}
	w.drainPipes()
	w.loadLog.close()
	w.loadResult = result
	w.held.Store(&request)
	w.frames.Buffer() // no other process will read this stream
	w.peer.Result(id, result)
}

// inherited is the load request that the launcher has left open, for the
// process that it became.
type inherited struct {
	id      int64
	request loadRequest
	err     error
	late    *time.Timer // nil where nothing limits the load
}

// inherit begins that load. The package's own variables and init functions come
// next; when they take too long, the host is told so from here. They go on all
// the same, and a load that is sent again finds them done.
func (w *Worker) inherit(h handover) {
	in := &inherited{id: h.LoadID}
	in.request, in.err = decodeLoad(h.Load)
	if in.err == nil && in.request.timeout > 0 {
		in.late = time.AfterFunc(in.request.timeout, func() {
			w.peer.Fail(in.id, loadFailed("timeout", in.request.path, fmt.Sprintf(
				"package initialisation of function %q still runs after %v; leave slow work to the handler", in.request.function, in.request.timeout)))
		})
	}
	w.inherited = in
}

// takeOver answers that load, unless it was late.
func (w *Worker) takeOver() {
	in := w.inherited
	switch {
	case in.late != nil && !in.late.Stop():
	case in.err != nil:
		w.peer.Fail(in.id, wire.NewError(wire.CodeInvalidParams, "load: "+in.err.Error()))
	default:
		w.adopt(in.id, in.request)
	}
}

// unload lets go of the function. Its memory stays until the process ends, and
// the process takes no other function.
func (w *Worker) unload(id int64, params []byte) {
	var function, revision string
	var err error
	for it := wire.MembersOf(params); it.Next(); {
		switch string(it.Name) {
		case "function":
			err = errors.Join(err, textMember(&it, &function))
		case "revision":
			err = errors.Join(err, textMember(&it, &revision))
		}
	}
	held := w.held.Load()
	running := w.countRunning()
	switch {
	case err != nil || function == "" || revision == "":
		w.peer.Fail(id, wire.NewError(wire.CodeInvalidParams, "unload: function and revision are required and must be strings"))
	case w.isDraining():
		w.peer.Fail(id, shuttingDown)
	case held == nil || held.function != function || held.revision != revision:
		w.peer.Fail(id, notLoaded(function, revision))
	case running > 0:
		e := wire.NewError(wire.CodeOverloaded, fmt.Sprintf("%d invocations of %q are running; unload it when they have ended", running, function))
		e.Data.Retryable = true
		w.peer.Fail(id, e)
	default:
		w.held.Store(nil)
		w.peer.Result(id, []byte(`{"reclaimed":false}`))
	}
}

func notLoaded(function, revision string) *wire.Error {
	return wire.NewError(wire.CodeUnknownFunction, fmt.Sprintf("function %q of revision %q is not loaded in this worker", function, revision))
}

// describe is the result of load.
func (w *Worker) describe() ([]byte, error) {
	var result struct {
		Schema   json.RawMessage `json:"schema,omitempty"`
		Warnings []string        `json:"warnings,omitempty"`
	}
	if w.function.Schema != nil {
		schema, err := json.Marshal(w.function.Schema)
		if err != nil {
			return nil, err
		}
		if !isObject(schema) {
			return nil, fmt.Errorf("%.40s is no object with input and output", schema)
		}
		result.Schema = schema
	}
	result.Warnings = w.warnings
	return json.Marshal(result)
}

func isObject(raw []byte) bool {
	it := wire.MembersOf(raw)
	for it.Next() {
	}
	return it.Whole()
}

// become replaces this process by the binary at path.
func (w *Worker) become(id int64, path string, params []byte) error {
	if !filepath.IsAbs(path) {
		return errors.New("path must be absolute and name the built binary")
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return errors.New("it is not an executable file")
	}
	return w.link.replaceBy(path, handover{Session: w.session, LoadID: id, Load: params})
}

// isSelf tells whether path is the binary that runs here.
func isSelf(path string) bool {
	own, err := os.Executable()
	if err != nil {
		return false
	}
	a, errA := os.Stat(own)
	b, errB := os.Stat(path)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// loadFailed is the error of a load; file may be empty.
func loadFailed(kind, file, message string) *wire.Error {
	e := wire.NewError(wire.CodeLoadFailed, message)
	details, err := json.Marshal(struct {
		Kind string `json:"kind"`
		File string `json:"file,omitempty"`
	}{kind, file})
	if err == nil {
		e.Data.Details = details
	}
	return e
}
