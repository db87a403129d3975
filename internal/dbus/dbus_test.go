package dbus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"
)

// bodies are values of all types, and as what godbus has them.
var bodies = []struct {
	name   string
	ours   []any
	theirs []any
}{
	{"nothing", nil, nil},
	{"numbers", []any{byte(200), int16(-2), uint16(65535), int32(-3), uint32(4), int64(-5), uint64(1 << 63), 1.5},
		[]any{byte(200), int16(-2), uint16(65535), int32(-3), uint32(4), int64(-5), uint64(1 << 63), 1.5}},
	{"text", []any{"ä", "", ObjectPath("/a/b"), Signature("a(sv)")},
		[]any{"ä", "", godbus.ObjectPath("/a/b"), godbus.ParseSignatureMust("a(sv)")}},
	{"bools", []any{true, byte(1), false}, []any{true, byte(1), false}},
	{"variant", []any{byte(1), Variant{uint64(7)}, Variant{Variant{"x"}}},
		[]any{byte(1), godbus.MakeVariant(uint64(7)), godbus.MakeVariant(godbus.MakeVariant("x"))}},
	{"arrays", []any{Array{"u", []any{uint32(1), uint32(2)}}, Array{"t", nil}, byte(9), Array{"as", []any{Array{"s", []any{"a"}}}}},
		[]any{[]uint32{1, 2}, []uint64(nil), byte(9), [][]string{{"a"}}}},
	{"structs", []any{byte(1), Struct{"a", Variant{true}}, Array{"(sv)", []any{Struct{"n", Variant{uint32(3)}}}}},
		[]any{byte(1), pair{"a", godbus.MakeVariant(true)}, []pair{{"n", godbus.MakeVariant(uint32(3))}}}},
}

type pair struct {
	S string
	V godbus.Variant
}

// TestEncode has godbus read what is encoded here.
func TestEncode(t *testing.T) {
	for _, b := range bodies {
		m := Message{Kind: MethodCall, Serial: 7, Path: "/p", Interface: "a.b", Member: "M", Destination: "d.e", Body: b.ours}
		data, err := m.encode()
		if err != nil {
			t.Fatalf("%s: %v", b.name, err)
		}
		got, err := godbus.DecodeMessage(bytes.NewReader(data))
		if err != nil {
			t.Fatalf("%s: godbus: %v", b.name, err)
		}
		var want bytes.Buffer
		other := theirs(b.theirs)
		if err := other.EncodeTo(&want, binary.LittleEndian); err != nil {
			t.Fatal(err)
		}
		back, err := godbus.DecodeMessage(&want)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got.Body, back.Body) || !reflect.DeepEqual(got.Headers, back.Headers) {
			t.Errorf("%s:\n got %v %v\nwant %v %v", b.name, got.Headers, got.Body, back.Headers, back.Body)
		}
	}
}

func theirs(body []any) *godbus.Message {
	m := &godbus.Message{Type: godbus.TypeMethodCall, Body: body, Headers: map[godbus.HeaderField]godbus.Variant{
		godbus.FieldPath: godbus.MakeVariant(godbus.ObjectPath("/p")), godbus.FieldInterface: godbus.MakeVariant("a.b"),
		godbus.FieldMember: godbus.MakeVariant("M"), godbus.FieldDestination: godbus.MakeVariant("d.e"),
	}}
	if len(body) > 0 {
		m.Headers[godbus.FieldSignature] = godbus.MakeVariant(godbus.SignatureOf(body...))
	}
	return m
}

// TestDecode reads what godbus encodes, in both byte orders.
func TestDecode(t *testing.T) {
	for _, b := range bodies {
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			var data bytes.Buffer
			if err := theirs(b.theirs).EncodeTo(&data, order); err != nil {
				t.Fatal(err)
			}
			n, err := size(data.Bytes())
			if err != nil || n != data.Len() {
				t.Errorf("%s: size %d, %v; want %d", b.name, n, err, data.Len())
			}
			m, err := decode(data.Bytes())
			if err != nil {
				t.Errorf("%s: %v", b.name, err)
				continue
			}
			if !reflect.DeepEqual(m.Body, b.ours) || m.Path != "/p" || m.Interface != "a.b" || m.Member != "M" || m.Destination != "d.e" {
				t.Errorf("%s: got %+v, want %v", b.name, m, b.ours)
			}
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, v := range map[string]any{
		"a type without a name":     struct{}{},
		"a NUL":                     "a\x00b",
		"a long signature":          Signature(strings.Repeat("y", 256)),
		"an item of another type":   Array{"u", []any{"x"}},
		"an array of nothing":       Array{"", nil},
		"an array of half a type":   Array{"(s", nil},
		"a struct of another thing": Struct{struct{}{}},
	} {
		if _, err := (&Message{Kind: Signal, Body: []any{v}}).encode(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// FuzzDecode: whatever a peer sends, it is a message or an error.
func FuzzDecode(f *testing.F) {
	for _, b := range bodies {
		data, err := (&Message{Kind: MethodReturn, ReplyTo: 1, Body: b.ours}).encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) >= fixedSize {
			_, _ = size(data)
		}
		m, err := decode(data)
		if err != nil {
			return
		}
		again, err := m.encode()
		if err != nil {
			return // a dictionary or a file descriptor, which are only read
		}
		back, err := decode(again)
		if err != nil {
			t.Fatalf("%q became %q: %v", data, again, err)
		}
		back.Serial = m.Serial
		// NaN is not equal to itself.
		if third, err := back.encode(); err != nil || !bytes.Equal(third, again) {
			t.Fatalf("%q, then %q, %v", again, third, err)
		}
	})
}

func TestSocketName(t *testing.T) {
	for address, want := range map[string]string{
		"unix:path=/run/bus":             "/run/bus",
		"unix:path=/a%20b%2fc,guid=12":   "/a b/c",
		"unix:guid=12,path=/run/bus":     "/run/bus",
		"unix:abstract=/tmp/dbus-1":      "@/tmp/dbus-1",
		"unix:path=":                     "",
		"unix:path=/a%2":                 "",
		"unix:path=/a%zz":                "",
		"unixexec:path=/bin/sh,argv1=-c": "",
		"tcp:host=localhost,port=1":      "",
		"":                               "",
	} {
		got, err := socketName(address)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v; want %q", address, got, err, want)
		}
	}
}

// serve answers one connection at the returned address with the given bytes,
// after the line BEGIN, and hands over what it read until then.
func serve(t *testing.T, greeting string, replies ...[]byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		buf := make([]byte, 4096)
		n, _ := c.Read(buf)
		if !bytes.HasPrefix(buf[:n], []byte("\x00AUTH EXTERNAL\r\n")) {
			return
		}
		_, _ = c.Write([]byte(greeting))
		for _, r := range replies {
			// In pieces, as the kernel may hand them over.
			_, _ = c.Write(r[:1])
			time.Sleep(time.Millisecond)
			_, _ = c.Write(r[1:])
		}
		_, _ = c.Read(buf)
		_, _ = c.Read(buf)
	}()
	return "unix:path=" + path
}

func mustEncode(t *testing.T, m *Message) []byte {
	t.Helper()
	data, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestCall(t *testing.T) {
	address := serve(t, "DATA\r\nOK 1234\r\n",
		mustEncode(t, &Message{Kind: Signal, Member: "Early", Body: []any{"s1"}}),
		mustEncode(t, &Message{Kind: MethodReturn, ReplyTo: 99, Body: []any{"other"}}),
		mustEncode(t, &Message{Kind: MethodReturn, ReplyTo: 1, Body: []any{uint32(5)}}),
		mustEncode(t, &Message{Kind: ErrorReply, ReplyTo: 2, ErrorName: "a.b.C", Body: []any{"went wrong"}}),
		mustEncode(t, &Message{Kind: Signal, Member: "Unwanted"}),
		mustEncode(t, &Message{Kind: Signal, Member: "Late"}),
	)
	c, err := Dial("unix:path=/nonexistent;"+address, time.Now().Add(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	body, err := c.Call(&Message{Kind: MethodCall, Path: "/", Member: "M"})
	if err != nil || !reflect.DeepEqual(body, []any{uint32(5)}) {
		t.Errorf("got %v, %v", body, err)
	}
	if _, err = c.Call(&Message{Kind: MethodCall, Path: "/", Member: "M"}); !IsError(err, "a.b.C") || err.Error() != "went wrong" {
		t.Errorf("got %v", err)
	}
	for _, want := range []string{"Early", "Late"} {
		m, err := c.WaitSignal(func(m *Message) bool { return m.Member == want })
		if err != nil || m.Member != want {
			t.Errorf("%s: %+v, %v", want, m, err)
		}
	}
}

func TestDialFails(t *testing.T) {
	soon := time.Now().Add(10 * time.Second)
	if _, err := Dial("unix:path=/nonexistent/bus", soon); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no socket: %v", err)
	}
	if _, err := Dial(serve(t, "REJECTED EXTERNAL\r\n"), soon); err == nil || !strings.Contains(err.Error(), "REJECTED") {
		t.Errorf("rejected: %v", err)
	}
	if _, err := Dial(serve(t, "DATA\r\n"), time.Now().Add(50*time.Millisecond)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("silence: %v", err)
	}
	c, err := Dial(serve(t, "OK\r\n", []byte("l\x02\x00\x01\xff\xff\xff\x7f\x01\x00\x00\x00\x00\x00\x00\x00")), soon)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Call(&Message{Kind: MethodCall, Path: "/", Member: "M"}); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("a huge message: %v", err)
	}
}
