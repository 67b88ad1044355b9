package stream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// control is a control message with data.
func control(level, kind int32, data []byte) []byte {
	out := make([]byte, unix.CmsgSpace(len(data)))
	head := (*unix.Cmsghdr)(unsafe.Pointer(&out[0]))
	head.Level, head.Type = level, kind
	head.SetLen(unix.CmsgLen(len(data)))
	copy(out[unix.CmsgLen(0):], data)
	return out
}

func FuzzStampOf(f *testing.F) {
	when := time.Unix(1_700_000_000, 123_456_789)
	long := binary.NativeEndian.AppendUint64(binary.NativeEndian.AppendUint64(nil, uint64(when.Unix())), uint64(when.Nanosecond()))
	short := binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, uint32(when.Unix())), uint32(when.Nanosecond()))
	other := control(unix.SOL_TCP, unix.SCM_TIMESTAMPNS, long)
	for _, test := range []struct {
		note []byte
		want time.Time
	}{
		{control(unix.SOL_SOCKET, unix.SCM_TIMESTAMPNS, long), when},
		{control(unix.SOL_SOCKET, unix.SCM_TIMESTAMPNS, short), when},
		{append(bytes.Clone(other), control(unix.SOL_SOCKET, unix.SCM_TIMESTAMPNS, long)...), when},
		{other, time.Time{}},
		{control(unix.SOL_SOCKET, unix.SCM_RIGHTS, long), time.Time{}},
		{control(unix.SOL_SOCKET, unix.SCM_TIMESTAMPNS, long[:12]), time.Time{}},
		{control(unix.SOL_SOCKET, unix.SCM_TIMESTAMPNS, long)[:20], time.Time{}},
		{nil, time.Time{}},
	} {
		f.Add(test.note)
		if got := stampOf(test.note); !got.Equal(test.want) {
			f.Errorf("%x says %s, want %s", test.note, got, test.want)
		}
	}
	f.Fuzz(func(_ *testing.T, note []byte) { stampOf(note) })
}

// TestTheKernelTellsArrivals reads from a TCP connection: the stamp lies between the write and the read, and there is none for those
// that do not ask.
func TestTheKernelTellsArrivals(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	near, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	src := newSource(far)
	exchange := func() (before, after time.Time) {
		before = time.Now().Round(0)
		if _, err := near.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		b, n, err := src.read()
		after = time.Now().Round(0)
		if err != nil || string(b.mem[:n]) != "hello" {
			t.Fatalf("read %q, %v", b.mem[:n], err)
		}
		b.release()
		return before, after
	}
	if exchange(); !src.stamp.IsZero() {
		t.Errorf("a stamp without having asked: %s", src.stamp)
	}
	src.ask(true)
	var before, after time.Time
	for range 2000 { // the kernel begins to note arrivals some time after the first socket asks
		if before, after = exchange(); !src.stamp.IsZero() {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if src.stamp.Before(before) || src.stamp.After(after) {
		t.Errorf("written at %s, read at %s, the stamp is %s", before, after, src.stamp)
	}
	src.ask(false)
	if exchange(); !src.stamp.IsZero() {
		t.Errorf("a stamp without asking any more: %s", src.stamp)
	}
	src.ask(true)
	_ = near.(*net.TCPConn).CloseWrite()
	if _, _, err := src.read(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}
