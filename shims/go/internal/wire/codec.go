// Package wire is protocol v1 as bytes: frames, messages and one connection.
//
// It knows nothing of functions, handlers or logs; methods come in as a table.
package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	// KindJSON marks a frame that holds one UTF-8 JSON-RPC 2.0 object.
	KindJSON = 0
	// MaxFrame is the largest payload that the 24-bit length can say.
	MaxFrame = 1<<24 - 1
	// HelloMaxFrame bounds what is accepted before the handshake is done.
	HelloMaxFrame = 64 << 10

	headerSize = 4
	readBuffer = 64 << 10
)

// ErrOversize reports a frame over the limit. Its payload has been read and
// thrown away, so the stream is still in step.
var ErrOversize = errors.New("frame over the limit")

// UnknownKindError reports a first byte that no negotiated frame has. Nothing
// after it can be trusted: skipping would turn garbage into a silent hang.
type UnknownKindError struct{ Kind byte }

func (e *UnknownKindError) Error() string {
	return fmt.Sprintf("frame kind 0x%02x is unknown; the stream is not protocol v1", e.Kind)
}

// Reader takes frames off a stream. It never asks for a byte past the frame
// it returns, so a process that stops after one frame loses none of the next.
type Reader struct {
	src    io.Reader
	limit  int
	header [headerSize]byte
}

// NewReader reads frames from src, with payloads of at most limit bytes.
func NewReader(src io.Reader, limit int) *Reader { return &Reader{src: src, limit: limit} }

// SetLimit changes the largest payload accepted from the next frame on.
func (r *Reader) SetLimit(limit int) { r.limit = limit }

// Buffer lets the reader fetch more than the frame it returns, for a process
// that keeps the stream to its end. It must come between two frames.
func (r *Reader) Buffer() {
	if !r.Buffered() {
		r.src = bufio.NewReaderSize(r.src, readBuffer)
	}
}

// Buffered reports whether Buffer was called.
func (r *Reader) Buffered() bool {
	_, buffered := r.src.(*bufio.Reader)
	return buffered
}

// Next returns the payload of the next frame in memory of its own. io.EOF
// means a clean end between frames, io.ErrUnexpectedEOF a torn one.
func (r *Reader) Next() ([]byte, error) {
	n, err := io.ReadAtLeast(r.src, r.header[:], 1)
	if err != nil {
		return nil, err
	}
	if r.header[0] != KindJSON { // said at the first byte, more may never come
		return nil, &UnknownKindError{r.header[0]}
	}
	if _, err := io.ReadFull(r.src, r.header[n:]); err != nil {
		return nil, torn(err)
	}
	size := int(binary.BigEndian.Uint32(r.header[:]))
	if size > r.limit {
		if _, err := io.CopyN(io.Discard, r.src, int64(size)); err != nil {
			return nil, torn(err)
		}
		return nil, fmt.Errorf("%w: %d bytes, at most %d are accepted", ErrOversize, size, r.limit)
	}
	payload := make([]byte, size)
	if _, err := io.ReadFull(r.src, payload); err != nil {
		return nil, torn(err)
	}
	return payload, nil
}

// torn turns an end inside a frame into what it is.
func torn(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// BeginFrame appends an empty header to buf; EndFrame fills it in once the
// payload stands behind it. So a message is encoded where it is sent from.
func BeginFrame(buf []byte) []byte { return append(buf, KindJSON, 0, 0, 0) }

// EndFrame writes the length of the frame that began at start. The caller
// keeps payloads within MaxFrame.
func EndFrame(buf []byte, start int) {
	binary.BigEndian.PutUint32(buf[start:], uint32(len(buf)-start-headerSize))
}

// PayloadSize is the number of payload bytes of the frame begun at start.
func PayloadSize(buf []byte, start int) int { return len(buf) - start - headerSize }
