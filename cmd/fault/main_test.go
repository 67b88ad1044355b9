package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/fault-project/fault/cmd/internal/app"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"fault": func() { os.Exit(app.Main(context.Background(), os.Args[1:], app.System())) },
		"fetch": fetch,
		"tell":  tell,
		"nag":   nag,
		"suite": suite,
	})
}

// tell prints variables of its environment and its standard input.
func tell() {
	for _, name := range os.Args[1:] {
		fmt.Printf("%s=%s\n", name, os.Getenv(name))
	}
	if len(os.Args) > 1 {
		in, _ := io.ReadAll(os.Stdin)
		fmt.Printf("stdin: %s", in)
	}
}

// nag counts how often it is interrupted until that has not happened for a while, and exits with that; the argument "on" makes it
// go on for ever.
func nag() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt)
	fmt.Println("ready")
	<-signals
	count := 1
	for {
		select {
		case <-signals:
			count++
		case <-time.After(500 * time.Millisecond):
			if len(os.Args) < 2 {
				os.Exit(10 + count)
			}
		}
	}
}

// suite is a test suite with three tests, of which one has a timeout and one has none. It writes its results to a file, also
// when it is interrupted.
func suite() {
	proxy, err := url.Parse(os.Getenv("HTTP_PROXY"))
	if err != nil {
		fmt.Println(err)
		os.Exit(2)
	}
	transport := &http.Transport{Proxy: http.ProxyURL(proxy)}
	var mu sync.Mutex
	var results []string
	failed := 0
	end := func(code int) {
		mu.Lock()
		_ = os.WriteFile(os.Args[1], []byte("<testsuites><testsuite>"+strings.Join(results, "")+"</testsuite></testsuites>"), 0o600)
		os.Exit(code)
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, test := range []struct {
			name    string
			timeout time.Duration
		}{{"hasty", time.Second}, {"patient", 0}} {
			response, err := (&http.Client{Transport: transport, Timeout: test.timeout}).Get(os.Getenv("SUITE_UPSTREAM"))
			failure := ""
			mu.Lock()
			if err != nil {
				failed, failure = 1, "<failure message='too slow'/>"
			} else {
				response.Body.Close()
			}
			results = append(results, fmt.Sprintf("<testcase classname='shop' name=%q>%s</testcase>", test.name, failure))
			mu.Unlock()
		}
		mu.Lock()
		defer mu.Unlock()
		results = append(results, "<testcase classname='shop' name='last'/>")
	}()
	select {
	case <-done:
		end(failed)
	case <-interrupted:
		end(2)
	}
}

// fetch is what the scripts have for curl: "fetch URL" prints status, body and how long it took; HTTP_PROXY is honoured.
func fetch() {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if proxy := os.Getenv("HTTP_PROXY"); proxy != "" {
		address, err := url.Parse(proxy)
		if err != nil {
			fmt.Println(err)
			os.Exit(2)
		}
		transport.Proxy = http.ProxyURL(address) // unlike the environment's, this one serves loopback, too
	}
	began := time.Now()
	response, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Get(os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	fmt.Printf("%d %s after %d00ms\n", response.StatusCode, strings.TrimSpace(string(body)), time.Since(began)/(100*time.Millisecond))
}

// TestScripts runs testdata/script/*.txtar. Each script finds an HTTP server at $UPSTREAM (host:port), an HTTPS server at $SECURE whose
// authority is in the file $SECURECA, an address that nothing listens on in $FREE, and one that is taken in $TAKEN.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/fail":
					w.WriteHeader(http.StatusServiceUnavailable)
				case "/close":
					w.Header().Set("Connection", "close")
				}
				fmt.Fprintf(w, "hello %s\n", r.URL.Path)
			})
			upstream, secure := httptest.NewServer(hello), httptest.NewTLSServer(hello)
			env.Defer(upstream.Close)
			env.Defer(secure.Close)
			secureCA := filepath.Join(env.WorkDir, "secure.pem")
			certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
			if err := os.WriteFile(secureCA, certificate, 0o600); err != nil {
				return err
			}
			taken, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			env.Defer(func() { _ = taken.Close() })
			free, err := freeAddress()
			if err != nil {
				return err
			}
			_, freePort, _ := net.SplitHostPort(free)
			env.Setenv("UPSTREAM", strings.TrimPrefix(upstream.URL, "http://"))
			env.Setenv("SECURE", strings.TrimPrefix(secure.URL, "https://"))
			env.Setenv("SECURECA", secureCA)
			env.Setenv("TAKEN", taken.Addr().String())
			env.Setenv("FREE", free)
			env.Setenv("FREEPORT", freePort)
			env.Setenv("NO_COLOR", "1")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"await": await, "code": code, "expand": expand},
	})
}

// await waits until something listens on an address: await 127.0.0.1:1234.
func await(ts *testscript.TestScript, _ bool, args []string) {
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		conn, err := net.DialTimeout("tcp", args[0], time.Second)
		if err == nil {
			_ = conn.Close()
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	ts.Fatalf("nothing listens on %s", args[0])
}

// code runs a command and checks its exit code: code 2 fault --bad. Its output is there for stdout and stderr.
func code(ts *testscript.TestScript, _ bool, args []string) {
	var want int
	if _, err := fmt.Sscan(args[0], &want); err != nil {
		ts.Fatalf("usage: code N COMMAND [ARGS]")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// freeAddress is an address that nothing listens on, with a port below those that systems hand out by themselves: one of these may
// be another process's a moment later.
func freeAddress() (string, error) {
	var err error
	for range 100 {
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(12000+rand.IntN(18000)))); err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", err
}

// expand replaces $VARIABLES in files: expand scenario.yaml.
func expand(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		path := ts.MkAbs(name)
		ts.Check(os.WriteFile(path, []byte(os.Expand(ts.ReadFile(name), ts.Getenv)), 0o600))
	}
}
