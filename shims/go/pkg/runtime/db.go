package runtime

import (
	"encoding/json"

	"github.com/watzon/alyx/internal/shim"
	"github.com/watzon/alyx/internal/values"
	"github.com/watzon/alyx/internal/wire"
)

// DB is the database of an invocation. It is safe for concurrent use, and of
// use until the handler returns: every call ends when the [Context] is done.
type DB struct {
	inv *shim.Invocation // nil in a Context made by hand
}

// M is a document or a filter, written short.
type M = map[string]any

// Named are parameters for `:name`, without the colon.
type Named = M

// Statement is one statement of a batch.
type Statement struct {
	SQL  string
	Args []any
}

// ExecResult is what a writing statement did.
type ExecResult struct {
	RowsAffected int64
	LastInsertID int64 // 0 if it inserted no row
}

// MarshalJSON writes {"rows_affected": …, "last_insert_id": …}, null for no id.
func (r ExecResult) MarshalJSON() ([]byte, error) {
	m := map[string]any{"rows_affected": r.RowsAffected, "last_insert_id": nil}
	if r.LastInsertID != 0 {
		m["last_insert_id"] = r.LastInsertID
	}
	return json.Marshal(m)
}

// Collection names a collection. It asks nothing of the host.
func (db *DB) Collection(name string) *Collection { return &Collection{db, name} }

// Query runs a reading statement and returns its rows. Arguments are for `?`,
// in order; a single map is for `:name`. Of columns with one name the last
// counts.
func (db *DB) Query(sql string, args ...any) ([]map[string]any, error) {
	call, err := db.statement("db.query", sql, args)
	if err != nil {
		return nil, err
	}
	result, err := db.do(call)
	if err != nil {
		return nil, err
	}
	return readRows(result)
}

// Exec runs a writing statement. Arguments are as for Query.
func (db *DB) Exec(sql string, args ...any) (*ExecResult, error) {
	call, err := db.statement("db.exec", sql, args)
	if err != nil {
		return nil, err
	}
	result, err := db.do(call)
	if err != nil {
		return nil, err
	}
	return readExec(wire.MembersOf(result))
}

// Batch runs writing statements in one transaction: all of them or none. The
// error of a statement has its index as Fields["op"].
func (db *DB) Batch(statements []Statement) ([]ExecResult, error) {
	call, err := db.begin("db.batch", "batch")
	if err != nil {
		return nil, err
	}
	if len(statements) == 0 {
		call.Drop()
		return []ExecResult{}, nil
	}
	call.Frame = append(call.Frame, `,"ops":[`...)
	for i, s := range statements {
		if i > 0 {
			call.Frame = append(call.Frame, ',')
		}
		call.Frame = append(call.Frame, `{"method":"db.exec","params":{"sql":`...)
		if fault := appendStatement(call, s.SQL, s.Args); fault != nil {
			return nil, dropped(call, fault, M{"op": int64(i)})
		}
		call.Frame = append(call.Frame, "}}"...)
	}
	call.Frame = append(call.Frame, ']')
	result, err := db.do(call)
	if err != nil {
		return nil, err
	}
	return readBatch(result, len(statements))
}

// statement begins a call that has one statement.
func (db *DB) statement(method, sql string, args []any) (*wire.Syscall, error) {
	call, err := db.begin(method, "db")
	if err != nil {
		return nil, err
	}
	call.Frame = append(call.Frame, `,"sql":`...)
	if fault := appendStatement(call, sql, args); fault != nil {
		return nil, dropped(call, fault, nil)
	}
	return call, nil
}

func appendStatement(call *wire.Syscall, sql string, args []any) (fault *values.Fault) {
	call.Frame = wire.AppendString(call.Frame, sql)
	if len(args) > 0 {
		call.Frame, fault = values.AppendArgs(append(call.Frame, `,"args":`...), args)
		if fault != nil {
			fault.Path = "args" + fault.Path
		}
	}
	return fault
}

// begin starts a call; its params are an open object.
func (db *DB) begin(method, capability string) (*wire.Syscall, error) {
	if db == nil || db.inv == nil {
		return nil, &Error{Code: "UNAVAILABLE", Message: "the host offers no database"}
	}
	call, refusal := db.inv.NewSyscall(method, capability)
	if refusal != nil {
		return nil, fromHost(refusal)
	}
	return call, nil
}

// do closes the params, sends the call and returns the result.
func (db *DB) do(call *wire.Syscall) ([]byte, error) {
	call.Frame = append(call.Frame, '}')
	result, refusal := db.inv.Do(call)
	if refusal != nil {
		return nil, fromHost(refusal)
	}
	return result, nil
}
