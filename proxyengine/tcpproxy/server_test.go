package tcpproxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
	"github.com/fault-project/fault/proxyengine/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// certificate is one that httptest knows the authority of, for example.com and 127.0.0.1.
func certificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	srv.StartTLS()
	defer srv.Close()
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	return srv.TLS.Certificates[0], pool
}

// serve starts a mapping and returns its address.
func serve(t testing.TB, cfg Config, live *fault.Live) (addr string, completed func() []event.Completed) {
	t.Helper()
	var mu sync.Mutex
	var done []event.Completed
	var id atomic.Uint64
	cfg.Open = func(info *event.Flow) (*fault.Flow, func()) {
		info.ID = id.Add(1)
		f := live.Open(info)
		return f, f.Close
	}
	cfg.Sink = func(e event.Event) {
		if c, ok := e.(event.Completed); ok {
			mu.Lock()
			defer mu.Unlock()
			done = append(done, c)
		}
	}
	cfg.Dialer, cfg.Logger = &Dialer{Sink: cfg.Sink}, slog.New(slog.DiscardHandler)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- New(cfg).Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return ln.Addr().String(), func() []event.Completed {
		mu.Lock()
		defer mu.Unlock()
		return done
	}
}

// upstream starts a server.
func upstream(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	t.Cleanup(func() { ln.Close(); open.Wait() })
	open.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			open.Go(func() { defer c.Close(); serve(c) })
		}
	})
	return ln.Addr().String()
}

// postgres is a server that negotiates as PostgreSQL does, and then says in what it heard the first message.
func postgres(cert tls.Certificate, offers bool) func(net.Conn) {
	return func(c net.Conn) {
		var first [8]byte
		if _, err := io.ReadFull(c, first[:]); err != nil {
			return
		}
		if !bytes.Equal(first[:], sslRequest) {
			io.WriteString(c, "plain "+string(first[:]))
			return
		}
		if !offers {
			io.WriteString(c, "N")
			n, _ := c.Read(first[:]) // PostgreSQL takes what comes without encryption then
			io.WriteString(c, "plain "+string(first[:n]))
			return
		}
		io.WriteString(c, "S")
		secure := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
		n, _ := secure.Read(first[:])
		io.WriteString(secure, "secure "+string(first[:n]))
		_ = secure.CloseWrite()
		_, _ = io.Copy(io.Discard, secure)
	}
}

func TestEncryption(t *testing.T) {
	cert, pool := certificate(t)
	trusting := &tls.Config{RootCAs: pool}
	secureEcho := upstream(t, func(c net.Conn) {
		s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
		buf := make([]byte, 100)
		n, err := s.Read(buf)
		if err != nil {
			return
		}
		io.WriteString(s, s.ConnectionState().ServerName+"|"+string(buf[:n]))
		_ = s.CloseWrite()
		_, _ = io.Copy(io.Discard, s)
	})
	greeter := upstream(t, func(c net.Conn) {
		s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
		io.WriteString(s, "220 hello")
		_ = s.CloseWrite()
		_, _ = io.Copy(io.Discard, s)
	})
	pg, plainPG := upstream(t, postgres(cert, true)), upstream(t, postgres(cert, false))

	plain := func(c net.Conn) net.Conn { return c }
	own := func(c net.Conn) net.Conn { return tls.Client(c, &tls.Config{RootCAs: pool, ServerName: "example.com"}) }
	ownPG := func(c net.Conn) net.Conn {
		var answer [1]byte
		c.Write(sslRequest)
		if _, err := io.ReadFull(c, answer[:]); err != nil || answer[0] != 'S' {
			t.Errorf("SSLRequest through the proxy: %q, %v", answer, err)
		}
		return own(c)
	}
	// asked is a client that makes its requests, each answered as expected, and goes on as it may then.
	asked := func(then func(net.Conn) net.Conn, exchanges ...string) func(net.Conn) net.Conn {
		return func(c net.Conn) net.Conn {
			for i := 0; i < len(exchanges); i += 2 {
				var answer [1]byte
				io.WriteString(c, exchanges[i])
				if _, err := io.ReadFull(c, answer[:]); err != nil || string(answer[:]) != exchanges[i+1] {
					t.Errorf("request %q through the proxy: %q, %v; want %q", exchanges[i], answer, err, exchanges[i+1])
				}
			}
			return then(c)
		}
	}
	gss, ssl := string(gssEncRequest), string(sslRequest)
	tests := []struct {
		name       string
		target     string
		encryption Encryption
		config     *tls.Config
		client     func(net.Conn) net.Conn
		say, want  string
		fails      string
	}{
		{name: "TLS by the proxy", target: secureEcho, encryption: TLS, config: trusting, client: plain, say: "hello", want: "|hello"},
		{
			name: "TLS by the client", target: secureEcho, encryption: TLS, config: trusting, client: own, say: "hello",
			want: "example.com|hello",
		},
		{name: "the server speaks first", target: greeter, encryption: TLS, config: trusting, client: plain, want: "220 hello"},
		{name: "unknown authority", target: secureEcho, encryption: TLS, client: plain, say: "hello", fails: "unknown authority; say so"},
		{
			name: "wrong name", target: secureEcho, encryption: TLS, config: &tls.Config{RootCAs: pool, ServerName: "wrong.example"},
			client: plain, say: "hello", fails: "wrong.example",
		},
		{name: "no TLS there", target: plainPG, encryption: TLS, config: trusting, client: plain, say: "hello", fails: "TLS: "},
		{
			name: "PostgreSQL, TLS by the proxy", target: pg, encryption: PostgresTLS, config: trusting, client: plain, say: "startup",
			want: "secure startup",
		},
		{
			name: "PostgreSQL, TLS by the client", target: pg, encryption: PostgresTLS, config: trusting, client: ownPG, say: "startup",
			want: "secure startup",
		},
		{
			name: "PostgreSQL without TLS", target: plainPG, encryption: PostgresTLS, config: trusting, client: plain, say: "startup",
			fails: "does not offer TLS",
		},
		{
			name: "PostgreSQL without TLS, the client would rather have it", target: plainPG, encryption: PostgresTLS, config: trusting,
			client: asked(plain, ssl, "N"), say: "startup", fails: "about to go on without TLS",
		},
		{
			name: "PostgreSQL with TLS, the client changes its mind", target: pg, encryption: PostgresTLS, config: trusting,
			client: asked(plain, ssl, "S"), say: "startup", fails: "about to go on without TLS",
		},
		{
			name: "PostgreSQL, GSSAPI and then nothing", target: pg, encryption: PostgresTLS, config: trusting,
			client: asked(plain, gss, "N"), say: "startup", want: "secure startup",
		},
		{
			name: "PostgreSQL, GSSAPI and then TLS", target: pg, encryption: PostgresTLS, config: trusting,
			client: asked(own, gss, "N", ssl, "S"), say: "startup", want: "secure startup",
		},
		{
			name: "PostgreSQL without TLS, GSSAPI and then nothing", target: plainPG, encryption: PostgresTLS, config: trusting,
			client: asked(plain, gss, "N"), say: "startup", fails: "does not offer TLS",
		},
		{
			name: "PostgreSQL without TLS, GSSAPI and then TLS", target: plainPG, encryption: PostgresTLS, config: trusting,
			client: asked(plain, gss, "N", ssl, "N"), say: "startup", fails: "about to go on without TLS",
		},
		{
			name: "PostgreSQL, GSSAPI twice", target: pg, encryption: PostgresTLS, config: trusting,
			client: asked(plain, gss, "N"), say: gss, fails: "again",
		},
		{name: "plain", target: plainPG, client: plain, say: "startup!", want: "plain startup!"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addr, completed := serve(t, Config{
				Env: Env{UnknownAuthority: "say so"}, Mapping: "m", Target: tt.target, Encryption: tt.encryption, TLS: tt.config,
			}, fault.NewLive())
			raw, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			_ = raw.SetDeadline(time.Now().Add(time.Minute))
			c := tt.client(raw)
			io.WriteString(c, tt.say)
			got, err := io.ReadAll(c)
			if tt.fails != "" {
				if err == nil {
					t.Errorf("read %q without an error", got)
				}
				for range 6000 {
					if len(completed()) > 0 {
						break
					}
					time.Sleep(10 * time.Millisecond)
				}
				if done := completed(); len(done) != 1 || done[0].Err == nil || !strings.Contains(done[0].Err.Error(), tt.fails) ||
					!strings.Contains(done[0].Err.Error(), tt.target) {
					t.Errorf("%+v, want %q", done, tt.fails)
				}
				return
			}
			if err != nil || string(got) != tt.want {
				t.Errorf("%q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestJudge(t *testing.T) {
	for _, tt := range []struct {
		in       string
		tls, sql verdict
	}{
		{"", undecided, undecided},
		{"\x16", undecided, undecided},
		{"\x16\x03", clientEncrypts, clientEncrypts},
		{"\x16\x02", proxyEncrypts, proxyEncrypts},
		{"G", proxyEncrypts, proxyEncrypts},
		{"\x00\x00\x00\x08\x04\xd2\x16", proxyEncrypts, undecided},
		{"\x00\x00\x00\x08\x04\xd2\x16\x2f", proxyEncrypts, clientEncrypts},
		{"\x00\x00\x00\x08\x04\xd2\x16\x30", proxyEncrypts, asksForGSS},
		{"\x00\x00\x00\x10\x04\xd2\x16\x2ecancelme", proxyEncrypts, proxyEncrypts},
		{"\x00\x00\x00\x54\x00\x03\x00\x00user", proxyEncrypts, proxyEncrypts},
	} {
		if got := judgeTLS([]byte(tt.in)); got != tt.tls {
			t.Errorf("judgeTLS(%q) = %d, want %d", tt.in, got, tt.tls)
		}
		if got := judgePostgres([]byte(tt.in)); got != tt.sql {
			t.Errorf("judgePostgres(%q) = %d, want %d", tt.in, got, tt.sql)
		}
	}
}

// failing is a listener that runs out of descriptors for a while.
type failing struct {
	errs  []error
	times []time.Time
	done  chan struct{}
	conn  net.Conn
}

func (f *failing) Accept() (net.Conn, error) {
	f.times = append(f.times, time.Now())
	if i := len(f.times) - 1; i < len(f.errs) {
		if f.errs[i] != nil {
			return nil, &net.OpError{Op: "accept", Err: f.errs[i]}
		}
		return f.conn, nil
	}
	<-f.done
	return nil, net.ErrClosed
}

func (f *failing) Close() error {
	select {
	case <-f.done:
	default:
		close(f.done)
	}
	return nil
}

func (f *failing) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9} }

func TestAcceptSurvives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := &failing{done: make(chan struct{})}
		var notices int
		for range 10 {
			ln.errs = append(ln.errs, syscall.EMFILE)
		}
		ln.errs = append(ln.errs, nil, syscall.ECONNABORTED, nil)
		ln.conn, _ = net.Pipe()
		s := New(Config{Env: Env{Sink: func(e event.Event) {
			if _, ok := e.(event.Notice); ok {
				notices++
			}
		}}})
		ctx, cancel := context.WithCancel(t.Context())
		accepted := 0
		ended := make(chan error, 1)
		go func() { ended <- s.accept(ctx, ln, func(net.Conn) { accepted++ }) }()
		time.Sleep(time.Minute)
		cancel()
		ln.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if accepted != 2 || notices != 2 {
			t.Errorf("%d connections accepted, %d notices; want 2 and 2", accepted, notices)
		}
		for i, want := range []int{5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000, 0, 5, 0} {
			if got := ln.times[i+1].Sub(ln.times[i]); got != time.Duration(want)*time.Millisecond {
				t.Errorf("pause %d is %s, want %d ms", i, got, want)
			}
		}
	})
	broken := &failing{errs: []error{syscall.EINVAL}, done: make(chan struct{})}
	if err := New(Config{}).accept(t.Context(), broken, nil); err == nil || !strings.HasPrefix(err.Error(), "accept on 127.0.0.1:9") {
		t.Errorf("a broken listener: %v", err)
	}
}

func TestAttend(t *testing.T) {
	tests := map[string]struct {
		client func(net.Conn)
		early  string
		left   time.Duration // when the context ends; 0: never
	}{
		"silent":             {func(net.Conn) {}, "", 0},
		"talks early":        {func(c net.Conn) { io.WriteString(c, "hello") }, "hello", 0},
		"talks late":         {func(c net.Conn) { time.Sleep(time.Second); io.WriteString(c, "hello") }, "hello", 0},
		"closes":             {func(c net.Conn) { time.Sleep(time.Second); c.Close() }, "", 31 * time.Second},
		"talks, then closes": {func(c net.Conn) { io.WriteString(c, "hello"); c.Close() }, "hello", 30*time.Second + attendAfter},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, conn := net.Pipe()
				begin := time.Now()
				a := Attend(t.Context(), conn, 30*time.Second)
				go tt.client(client)
				var left time.Duration
				select {
				case <-a.Context().Done():
					left = time.Since(begin)
				case <-time.After(time.Minute):
				}
				if left != tt.left {
					t.Errorf("left after %s, want %s", left, tt.left)
				}
				early, err := a.End()
				if string(early) != tt.early {
					t.Errorf("early = %q, want %q", early, tt.early)
				}
				if errors.Is(err, ErrLeft) != (tt.left > 0) {
					t.Errorf("End: %v", err)
				}
				if tt.left == 0 { // the connection is as it was
					go io.WriteString(client, "more")
					buf := make([]byte, 4)
					if _, err := io.ReadFull(conn, buf); err != nil || string(buf) != "more" {
						t.Errorf("%q, %v", buf, err)
					}
				}
				client.Close()
				conn.Close()
			})
		})
	}
}

func TestClientThatResetsWhileItsUpstreamIsHeldBack(t *testing.T) {
	live := fault.NewLive()
	hole := &fault.Blackhole{Base: fault.Base{Side: fault.Server, Direction: fault.Ingress, Probability: 1}, Heal: fault.HealGap}
	live.Store(fault.Build([]fault.Active{{Spec: hole, Epoch: 1}}, 1, nil))
	dialed := make(chan struct{}, 10)
	up := upstream(t, func(net.Conn) { dialed <- struct{}{} })
	addr, completed := serve(t, Config{Mapping: "m", Target: up, Env: Env{Stream: stream.Options{Clock: stream.Runtime()}}}, live)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * attendAfter)
	_ = c.(*net.TCPConn).SetLinger(0)
	c.Close()
	for range 6000 {
		if len(completed()) > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if done := completed(); len(done) != 1 || !errors.Is(done[0].Err, ErrLeft) {
		t.Errorf("%+v", done)
	}
	select {
	case <-dialed:
		t.Error("the upstream was dialed")
	default:
	}
}

func TestReason(t *testing.T) {
	for want, err := range map[string]error{
		"connection refused; nothing listens there": &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED},
		"no such host":                           &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true},
		"name lookup failed: server misbehaving": &net.DNSError{Err: "server misbehaving", Name: "x"},
		"no answer in time":                      context.DeadlineExceeded,
		"given up":                               context.Canceled,
		"no route to that host":                  syscall.EHOSTUNREACH,
		"boom":                                   &net.OpError{Op: "dial", Err: errors.New("boom")},
	} {
		if got := Reason(err); got != want {
			t.Errorf("Reason(%v) = %q, want %q", err, got, want)
		}
	}
}

func TestFailedLookupResetsTheClient(t *testing.T) {
	live := fault.NewLive()
	spec, err := fault.Decode("dns", map[string]any{"rate": 1})
	if err != nil {
		t.Fatal(err)
	}
	live.Store(fault.Build([]fault.Active{{Spec: spec, Epoch: 1}}, 1, nil))
	addr, completed := serve(t, Config{Mapping: "m", Target: "localhost:9"}, live)
	c, err := net.Dial("tcp", addr) // the reset may come so soon that it is the dial that sees it
	if err == nil {
		_, err = c.Read(make([]byte, 1))
		c.Close()
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want a reset", err)
	}
	for range 6000 {
		if len(completed()) > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	want := "upstream localhost:9: name lookup failed: server misbehaving"
	if done := completed(); len(done) != 1 || done[0].Err == nil || done[0].Err.Error() != want {
		t.Errorf("%+v, want %s", done, want)
	}
}
