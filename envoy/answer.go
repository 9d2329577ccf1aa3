package envoy

import (
	"sync"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// answer is a CheckResponse on the wire, appended field by field in a buffer
// that the server uses again once gRPC has sent it.
type answer struct{ bytes *[]byte }

// open begins a message in field number and returns where its content starts,
// for close.
func (a answer) open(number protowire.Number) (start int) {
	*a.bytes = append(protowire.AppendTag(*a.bytes, number, protowire.BytesType), 0)
	return len(*a.bytes)
}

// close ends the message that started there: its length is written in front of
// it, which moves it if the length takes more than the one byte left for it.
func (a answer) close(start int) {
	b := *a.bytes
	length := uint64(len(b) - start)
	if size := protowire.SizeVarint(length); size > 1 {
		b = append(b, "0123456789"[:size-1]...)
		copy(b[start+size-1:], b[start:])
		*a.bytes = b
	}
	protowire.AppendVarint(b[:start-1], length)
}

// text appends a text, unless it is empty: that is what an absent one means.
// What is not UTF-8 would turn the answer into an error of the transport; it is
// written with '?' in place of each bad byte. The server has refused it before.
func (a answer) text(number protowire.Number, s string) {
	if s != "" {
		a.element(number, s)
	}
}

// element appends one of a list, empty or not.
func (a answer) element(number protowire.Number, s string) {
	b := protowire.AppendTag(*a.bytes, number, protowire.BytesType)
	if utf8.ValidString(s) {
		b = protowire.AppendString(b, s)
	} else {
		b = protowire.AppendString(b, valid(s))
	}
	*a.bytes = b
}

// number appends a number, unless it is zero.
func (a answer) number(number protowire.Number, v int) {
	if v != 0 {
		*a.bytes = protowire.AppendVarint(protowire.AppendTag(*a.bytes, number, protowire.VarintType), uint64(v))
	}
}

// buffers is the memory of answers. It implements [mem.BufferPool], to which
// gRPC gives a buffer back when it has sent it.
type buffers struct{ free sync.Pool }

const (
	bufferBytes    = 4 << 10  // holds most answers
	bufferBytesMax = 64 << 10 // what is larger is not kept
)

// Get implements [mem.BufferPool].
func (p *buffers) Get(length int) *[]byte {
	b, ok := p.free.Get().(*[]byte)
	if !ok || cap(*b) < length {
		fresh := make([]byte, length, max(length, bufferBytes))
		return &fresh
	}
	*b = (*b)[:length]
	return b
}

// Put implements [mem.BufferPool].
func (p *buffers) Put(b *[]byte) {
	if cap(*b) <= bufferBytesMax {
		p.free.Put(b)
	}
}
