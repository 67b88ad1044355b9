package tcpproxy

import (
	"bytes"
	"net"
	"testing"
)

// recorder is a connection that keeps what is written.
type recorder struct {
	net.Conn
	written []byte
	closed  bool
}

func (r *recorder) Write(b []byte) (int, error) {
	r.written = append(r.written, b...)
	return len(b), nil
}

func (r *recorder) Close() error { r.closed = true; return nil }

// FuzzGuarded: whatever a client says after it has asked for TLS, and in whatever pieces, nothing but TLS reaches the server.
func FuzzGuarded(f *testing.F) {
	f.Add(string(sslRequest)+"\x16\x03\x01\x00\x05hello", uint8(3))
	f.Add(string(sslRequest)+"\x00\x00\x00\x0c\x00\x03\x00\x00", uint8(8))
	f.Add(string(sslRequest), uint8(1))
	f.Add("\x16\x03\x01\x00\x05hello", uint8(1))
	f.Fuzz(func(t *testing.T, said string, piece uint8) {
		if v := judgePostgres([]byte(said)); v != clientEncrypts {
			return // then it is not guarded
		}
		conn := &recorder{}
		g := &guarded{Conn: conn}
		rest := []byte(said)
		var err error
		for len(rest) > 0 && err == nil {
			n := min(len(rest), int(piece)+1)
			_, err = g.Write(rest[:n])
			rest = rest[n:]
		}
		secret, asked := bytes.CutPrefix(conn.written, sslRequest)
		switch {
		case asked && len(secret) > 0 && secret[0] != tlsHandshake, !asked && conn.written != nil && conn.written[0] != tlsHandshake:
			if !bytes.HasPrefix(sslRequest, conn.written) {
				t.Fatalf("%q in pieces of %d: %q reached the server", said, int(piece)+1, conn.written)
			}
		case err == nil && !bytes.Equal(conn.written, []byte(said)):
			t.Fatalf("%q in pieces of %d became %q", said, int(piece)+1, conn.written)
		case err != nil && !conn.closed:
			t.Fatalf("%q: refused, and left open", said)
		}
	})
}

// FuzzJudgePostgres: what has been decided does not change with what comes later.
func FuzzJudgePostgres(f *testing.F) {
	f.Add(string(sslRequest))
	f.Add(string(gssEncRequest) + "x")
	f.Add("\x16\x03")
	f.Add("\x00\x00\x00\x54\x00\x03\x00\x00user")
	f.Fuzz(func(t *testing.T, said string) {
		decided := undecided
		for n := range len(said) + 1 {
			v := judgePostgres([]byte(said[:n]))
			if decided != undecided && v != decided {
				t.Fatalf("%q is %d, and %q is %d", said[:n-1], decided, said[:n], v)
			}
			decided = v
		}
	})
}
