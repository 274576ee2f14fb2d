package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/watzon/alyx/internal/wire"
)

// loadRequest is the part of `load` that a Go worker needs.
type loadRequest struct {
	function, revision, path string
	env                      map[string]string
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
		case "env":
			for vars := wire.MembersOf(it.Raw()); vars.Next(); {
				var value string
				name := string(vars.Name)
				err = errors.Join(err, textMember(&vars, &value))
				r.env[name] = value
			}
		}
	}
	if err == nil && (r.function == "" || r.revision == "") {
		err = errors.New("function and revision must not be empty")
	}
	return r, err
}

// textMember stores the current member, which must be a string.
func textMember(it *wire.Members, into *string) error {
	name := string(it.Name)
	s, ok := it.Text()
	if !ok {
		return fmt.Errorf("%s must be a string", name)
	}
	*into = s
	return nil
}

// load makes this worker the function's, or the process the function's binary.
// A Go worker holds one function for its whole life.
func (w *Worker) load(id int64, params []byte) {
	request, err := decodeLoad(params)
	if err != nil {
		w.peer.Fail(id, wire.NewError(wire.CodeInvalidParams, "load: "+err.Error()))
		return
	}
	held := w.held.Load()
	switch {
	case held != nil && held.function == request.function && held.revision == request.revision:
		w.peer.Result(id, w.loadResult)
	case held != nil:
		w.peer.Fail(id, loadFailed("unsupported", request.path, fmt.Sprintf(
			"this worker holds function %q; a Go worker takes one function, start another for %q", held.function, request.function)))
	case w.function != nil && isSelf(request.path):
		w.adopt(id, request)
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
	w.loadResult = result
	w.held.Store(&request)
	w.frames.Buffer() // no other process will read this stream
	w.peer.Result(id, result)
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
