//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"golang.org/x/sys/unix"
)

// Sizes of HTTP/2, RFC 9113.
const (
	frameHeaderBytes = 9
	firstWindow      = 65535
	ownWindow        = 1 << 30 // what the server may send before we allow more
)

// connection is one HTTP/2 connection to a gRPC server: what Envoy has for each
// worker, and of the protocol only what Checks need. An answer that does not let
// the request through is an error. A general gRPC client costs
// more than some of the servers to be measured. It is for one goroutine.
type connection struct {
	fd           int
	out          []byte // not yet written
	in           []byte // not yet read; in[:filled] holds bytes
	filled       int
	first, later []byte // the encoded request headers, of the first request and of all others
	decoder      *hpack.Decoder
	grpcStatus   string // in the header block last decoded
	next         uint32 // stream
	window       int    // what we may still send on all streams together
	perStream    int    // what we may send on a new one
	received     int    // since we last opened our own window
	answered     func(stream uint32)
}

// dial connects to a server on the loopback interface.
func dial(address string) (*connection, error) {
	endpoint, err := net.ResolveTCPAddr("tcp4", address)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	to := &unix.SockaddrInet4{Port: endpoint.Port, Addr: [4]byte(endpoint.IP.To4())}
	err = errors.Join(unix.Connect(fd, to), unix.SetNonblock(fd, true), unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1))
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("connecting to %s: %v", address, err)
	}
	c := &connection{fd: fd, in: make([]byte, 1<<20), next: 1, window: firstWindow, perStream: firstWindow}
	c.decoder = hpack.NewDecoder(4096, func(f hpack.HeaderField) {
		if f.Name == "grpc-status" {
			c.grpcStatus = f.Value
		}
	})
	c.greet(address)
	return c, nil
}

func (c *connection) close() { unix.Close(c.fd) }

// greet queues the preface and encodes the request headers: those of the second
// request, and of each after it, are references to the first.
func (c *connection) greet(address string) {
	var b bytes.Buffer
	encoder := hpack.NewEncoder(&b)
	encode := func() []byte {
		b.Reset()
		for _, f := range [...]hpack.HeaderField{
			{Name: ":method", Value: "POST"}, {Name: ":path", Value: "/envoy.service.auth.v3.Authorization/Check"},
			{Name: ":authority", Value: address}, {Name: ":scheme", Value: "http"}, {Name: "te", Value: "trailers"},
			{Name: "grpc-timeout", Value: "1S"}, {Name: "content-type", Value: "application/grpc"},
			{Name: "x-envoy-internal", Value: "true"}, {Name: "x-forwarded-for", Value: "127.0.0.1"},
		} {
			encoder.WriteField(f)
		}
		return bytes.Clone(b.Bytes())
	}
	c.first, c.later = encode(), encode()
	b.Reset()
	b.WriteString(http2.ClientPreface)
	framer := http2.NewFramer(&b, nil)
	framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	framer.WriteWindowUpdate(0, ownWindow-firstWindow)
	c.out = append(c.out, b.Bytes()...)
}

// ready reports whether the server's windows have room for a message.
func (c *connection) ready(message []byte) bool {
	return len(message) <= c.window && len(message) <= c.perStream
}

// ask queues one request and returns its stream.
func (c *connection) ask(message []byte) uint32 {
	stream, block := c.next, c.later
	if stream == 1 {
		block = c.first
	}
	c.next += 2
	c.window -= len(message)
	c.out = appendFrame(c.out, http2.FrameHeaders, http2.FlagHeadersEndHeaders, stream, block)
	c.out = appendFrame(c.out, http2.FrameData, http2.FlagDataEndStream, stream, message)
	return stream
}

func appendFrame(b []byte, kind http2.FrameType, flags http2.Flags, stream uint32, payload []byte) []byte {
	n := len(payload)
	b = append(b, byte(n>>16), byte(n>>8), byte(n), byte(kind), byte(flags))
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}

// write writes what is queued, as far as the socket takes it.
func (c *connection) write() error {
	for len(c.out) > 0 {
		n, err := unix.Write(c.fd, c.out)
		switch {
		case err == unix.EAGAIN:
			return nil
		case err == unix.EINTR:
		case err != nil:
			return fmt.Errorf("writing to the server: %v", err)
		default:
			c.out = c.out[:copy(c.out, c.out[n:])]
		}
	}
	return nil
}

// read takes what the server has sent.
func (c *connection) read() error {
	for {
		n, err := unix.Read(c.fd, c.in[c.filled:])
		switch {
		case err == unix.EAGAIN:
			return nil
		case err == unix.EINTR:
			continue
		case err != nil:
			return fmt.Errorf("reading from the server: %v", err)
		case n == 0:
			return errors.New("the server closed the connection")
		}
		c.filled += n
		if err := c.frames(); err != nil {
			return err
		}
	}
}

// frames handles every whole frame that is there.
func (c *connection) frames() error {
	rest := c.in[:c.filled]
	for len(rest) >= frameHeaderBytes {
		size := int(rest[0])<<16 | int(rest[1])<<8 | int(rest[2])
		if len(rest) < frameHeaderBytes+size {
			break
		}
		kind, flags := http2.FrameType(rest[3]), http2.Flags(rest[4])
		stream := binary.BigEndian.Uint32(rest[5:]) &^ (1 << 31)
		if err := c.frame(kind, flags, stream, rest[frameHeaderBytes:frameHeaderBytes+size]); err != nil {
			return err
		}
		rest = rest[frameHeaderBytes+size:]
	}
	c.filled = copy(c.in, rest)
	return nil
}

func (c *connection) frame(kind http2.FrameType, flags http2.Flags, stream uint32, payload []byte) error {
	switch kind {
	case http2.FrameData:
		c.opened(len(payload))
		return verdict(payload)
	case http2.FrameHeaders:
		return c.header(flags, stream, payload)
	case http2.FrameSettings:
		if !flags.Has(http2.FlagSettingsAck) {
			c.settings(payload)
			c.out = appendFrame(c.out, http2.FrameSettings, http2.FlagSettingsAck, 0, nil)
		}
	case http2.FramePing:
		if !flags.Has(http2.FlagPingAck) {
			c.out = appendFrame(c.out, http2.FramePing, http2.FlagPingAck, 0, payload)
		}
	case http2.FrameWindowUpdate:
		if stream == 0 && len(payload) == 4 {
			c.window += int(binary.BigEndian.Uint32(payload))
		}
	default:
		return fmt.Errorf("the server sent a %v frame", kind)
	}
	return nil
}

// header ends a stream, if it is the last one. Padding and priority are not
// expected: no gRPC server sends them.
func (c *connection) header(flags http2.Flags, stream uint32, block []byte) error {
	if flags&^(http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream) != 0 || !flags.Has(http2.FlagHeadersEndHeaders) {
		return fmt.Errorf("the server sent a header block of a kind that is not understood: flags %#x", flags)
	}
	c.grpcStatus = ""
	if _, err := c.decoder.Write(block); err != nil {
		return fmt.Errorf("header block: %v", err)
	}
	if flags.Has(http2.FlagHeadersEndStream) {
		if c.grpcStatus != "0" {
			return fmt.Errorf("grpc-status is %q", c.grpcStatus)
		}
		c.answered(stream)
	}
	return nil
}

func (c *connection) settings(payload []byte) {
	for ; len(payload) >= 6; payload = payload[6:] {
		if http2.SettingID(binary.BigEndian.Uint16(payload)) == http2.SettingInitialWindowSize {
			c.perStream = int(binary.BigEndian.Uint32(payload[2:]))
		}
	}
}

// opened lets the server send on when half of our window is used.
func (c *connection) opened(n int) {
	if c.received += n; c.received >= ownWindow/2 {
		c.out = appendFrame(c.out, http2.FrameWindowUpdate, 0, 0, binary.BigEndian.AppendUint32(nil, uint32(c.received)))
		c.received = 0
	}
}
