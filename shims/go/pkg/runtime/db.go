package runtime

// DB is the database. The host does not offer one to Go functions yet, so that
// every call returns an *Error with code UNAVAILABLE.
type DB struct{}

// Query selects documents of a collection.
type Query struct {
	Filter map[string]any
	Sort   string
	Limit  int
	Offset int
}

// List is one page of documents and the number of all that match.
type List struct {
	Docs  []map[string]any
	Total int64
}

// ExecResult is what a writing statement did.
type ExecResult struct {
	RowsAffected int64
	LastInsertID int64
}

// Collection is one collection of documents.
type Collection struct{}

func unavailable() error {
	return &Error{Code: "UNAVAILABLE", Message: "the host offers no database"}
}

// Collection names a collection. It asks nothing of the host.
func (db *DB) Collection(string) *Collection { return &Collection{} }

// Query runs a reading statement and returns its rows.
func (db *DB) Query(string, ...any) ([]map[string]any, error) { return nil, unavailable() }

// Exec runs a writing statement.
func (db *DB) Exec(string, ...any) (*ExecResult, error) { return nil, unavailable() }

// List returns the documents that a query selects.
func (c *Collection) List(Query) (*List, error) { return nil, unavailable() }

// Get returns a document, nil if there is none.
func (c *Collection) Get(string) (map[string]any, error) { return nil, unavailable() }

// Create stores a document and returns it whole.
func (c *Collection) Create(map[string]any) (map[string]any, error) { return nil, unavailable() }

// Update changes members of a document and returns it whole.
func (c *Collection) Update(string, map[string]any) (map[string]any, error) {
	return nil, unavailable()
}

// Delete removes a document.
func (c *Collection) Delete(string) error { return unavailable() }
