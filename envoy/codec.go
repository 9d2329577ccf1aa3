package envoy

import (
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec for every other message
	"google.golang.org/grpc/mem"
)

// frame is a message as it came. grpc-go answers a message that its codec cannot
// decode with a gRPC error, before any handler can deny; so the codec takes
// every Check as it is, and the server decodes it.
type frame struct{ bytes []byte }

// codec leaves frames alone and hands everything else to grpc-go's.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2("proto")} }

// Unmarshal implements [encoding.CodecV2].
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if f, ok := v.(*frame); ok {
		f.bytes = data.Materialize()
		return nil
	}
	return c.CodecV2.Unmarshal(data, v)
}
