package envoy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/mem"

	"privyseal/authz"
)

// BenchmarkTransport is what gRPC costs: Checks over a unix socket from a client
// that does little more than write frames, 32 streams at a time, as one worker of
// a busy Envoy does. cpu-ns/op counts both sides.
func BenchmarkTransport(b *testing.B) {
	frames := grpc.ForceServerCodecV2(newCodec())
	for _, c := range []struct {
		name    string
		options []grpc.ServerOption
	}{
		{"ours", GRPCOptions()},
		{"defaults", []grpc.ServerOption{frames}},
		{"fewWorkers", []grpc.ServerOption{frames, grpc.NumStreamWorkers(uint32(runtime.GOMAXPROCS(0)))}},
		{"manyWorkers", []grpc.ServerOption{frames, grpc.NumStreamWorkers(32)}},
		{"windows", []grpc.ServerOption{frames, grpc.StaticConnWindowSize(1 << 20), grpc.StaticStreamWindowSize(1 << 20)}},
		{"largeBuffers", []grpc.ServerOption{frames, grpc.ReadBufferSize(128 << 10), grpc.WriteBufferSize(128 << 10)}},
		{"noReadBuffer", []grpc.ServerOption{frames, grpc.ReadBufferSize(0)}},
		{"smallPools", []grpc.ServerOption{frames, experimental.BufferPool(mem.NewTieredBufferPool(512, 2048, 4096, 16<<10, 64<<10, 1<<20))}},
	} {
		b.Run(c.name, func(b *testing.B) {
			socket, err := net.Listen("unix", filepath.Join(b.TempDir(), "s"))
			if err != nil {
				b.Fatal(err)
			}
			server := grpc.NewServer(c.options...)
			NewServer(still(b, &authz.Rule{Name: "p", Public: true}), nil).Register(server)
			go server.Serve(socket)
			defer server.Stop()
			conn, err := net.Dial("unix", socket.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			b.ReportAllocs()
			before := cpu()
			if err := ask(conn, usual(), b.N, 32); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// cpu is the processor time that the process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// ask sends a message n times, at most so many at once, and reads the answers.
func ask(conn net.Conn, message []byte, n, atOnce int) error {
	var header bytes.Buffer
	fields := hpack.NewEncoder(&header)
	for _, f := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", "/" + ServiceName + "/Check"}, {":authority", "authz"},
		{"te", "trailers"}, {"grpc-timeout", "200m"}, {"content-type", "application/grpc"}, {"x-envoy-internal", "true"},
		{"x-forwarded-for", "192.0.2.1"}, {"x-envoy-expected-rq-timeout-ms", "200"},
	} {
		fields.WriteField(hpack.HeaderField{Name: f[0], Value: f[1], Sensitive: true}) // never indexed: one block for all streams
	}
	prefixed := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	prefixed = append(prefixed, message...)

	var out bytes.Buffer
	out.WriteString(http2.ClientPreface)
	writer, reader := http2.NewFramer(&out, nil), http2.NewFramer(io.Discard, conn)
	reader.SetReuseFrames()
	writer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
	writer.WriteWindowUpdate(0, 1<<30)
	stream, open, received := uint32(1), 0, 0
	for done := 0; done < n; {
		for ; open < atOnce && int(stream/2) < n; stream += 2 {
			writer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: header.Bytes(), EndHeaders: true})
			writer.WriteData(stream, true, prefixed)
			open++
		}
		if _, err := out.WriteTo(conn); err != nil {
			return err
		}
		frame, err := reader.ReadFrame()
		if err != nil {
			return err
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				writer.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				writer.WritePing(true, f.Data)
			}
		case *http2.DataFrame:
			if received += len(f.Data()); received > 1<<29 {
				writer.WriteWindowUpdate(0, 1<<29)
				received -= 1 << 29
			}
		case *http2.HeadersFrame:
			if f.StreamEnded() {
				done, open = done+1, open-1
			}
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return fmt.Errorf("the server ended it: %v", f)
		}
	}
	return nil
}
