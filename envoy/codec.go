package envoy

import (
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec for every other message
	"google.golang.org/grpc/mem"
)

// frame is a message as it came. grpc-go answers a message that its codec cannot
// decode with a gRPC error, before any handler can deny; so the codec takes
// every Check as it is, and the server decodes it. The bytes are gRPC's and
// hold until free.
type frame struct{ buffer mem.Buffer }

func (f *frame) free() {
	if f.buffer != nil {
		f.buffer.Free()
	}
}

// codec leaves frames and answers alone and hands everything else to grpc-go's.
type codec struct {
	encoding.CodecV2
	buffers *buffers
}

func newCodec() codec { return codec{encoding.GetCodecV2("proto"), &buffers{}} }

// Unmarshal implements [encoding.CodecV2].
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if f, ok := v.(*frame); ok {
		f.buffer = data.MaterializeToBuffer(c.buffers)
		return nil
	}
	return c.CodecV2.Unmarshal(data, v)
}

// Marshal implements [encoding.CodecV2]. gRPC gives the answer's memory back.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if a, ok := v.(*sent); ok {
		return mem.BufferSlice{mem.NewBuffer(a.bytes, a.buffers)}, nil
	}
	return c.CodecV2.Marshal(v)
}

// sent is an answer on its way, and where its memory goes then.
type sent struct {
	answer
	buffers *buffers
}
