//go:build unix

package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/cmd/internal/runreport"
)

const childVariable = "FAULT_TEST_CHILD"

// TestMain makes the test program its own command, too: with the variable set it is what `fault run` runs.
func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Exit(command(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// command is a program with the behavior that its arguments name.
func command(args []string) int {
	switch args[0] {
	case "exit":
		code, _ := strconv.Atoi(args[1])
		return code
	case "print":
		fmt.Println(os.Getenv(args[1]))
		fmt.Fprintln(os.Stderr, "to stderr")
	case "echo":
		_, _ = io.Copy(os.Stdout, os.Stdin)
	case "suite":
		return fakeSuite(args[1], args[2])
	case "wait": // for one of these signals; others end it
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGUSR1)
		fmt.Println("ready")
		return map[os.Signal]int{os.Interrupt: 5, syscall.SIGTERM: 6, syscall.SIGUSR1: 7}[<-signals]
	case "stubborn": // with a program of its own that is as stubborn
		signal.Ignore(os.Interrupt, syscall.SIGTERM)
		if len(args) == 1 {
			self, _ := os.Executable()
			grandchild := exec.Command(self, "stubborn", "alone")
			grandchild.Stdout = os.Stdout
			if grandchild.Start() != nil {
				return 9
			}
		}
		fmt.Println("ready", os.Getpid())
		time.Sleep(time.Minute)
	case "die":
		self, _ := os.FindProcess(os.Getpid())
		_ = self.Signal(syscall.SIGTERM)
		time.Sleep(time.Minute)
	}
	return 0
}

// fakeSuite makes a request with a timeout and one without through the proxy and writes what came of it as JUnit XML, the second
// only when it has come to an end.
func fakeSuite(target, file string) int {
	proxy, err := url.Parse(os.Getenv("HTTP_PROXY"))
	if err != nil {
		return 9
	}
	transport := &http.Transport{Proxy: http.ProxyURL(proxy)}
	var mu sync.Mutex
	cases, code := "<testcase name='calm'/>", 0
	add := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		cases += text
	}
	write := func() {
		mu.Lock()
		defer mu.Unlock()
		_ = os.WriteFile(file, []byte("<testsuite>"+cases+"</testsuite>"), 0o600)
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if response, err := (&http.Client{Transport: transport, Timeout: 1500 * time.Millisecond}).Get(target); err != nil {
			code = 1
			add("<testcase name='hasty'><failure message='too slow'/></testcase>")
		} else {
			response.Body.Close()
			add("<testcase name='hasty'/>")
		}
		if response, err := (&http.Client{Transport: transport}).Get(target); err == nil {
			response.Body.Close()
			add("<testcase name='patient'/>")
		}
	}()
	select {
	case <-ended:
		add("<testcase name='last'/>")
		write()
		return code
	case <-interrupted:
		write()
		return 2
	}
}

func upstreamServer(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close") // each exchange by itself
		io.WriteString(w, "hello")
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// runCommand runs a command line behind "--" in this process and returns its exit code, its output and what fault said.
func runCommand(t *testing.T, flags string, args ...string) (code int, out, said string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	o := options(t, setup+flags+" -- x", &stdout, &stderr)
	o.Command = append([]string{os.Args[0]}, args...)
	o.f.Environ = func() []string { return append(os.Environ(), childVariable+"=1") }
	err := o.run(t.Context())
	var e *cli.Error
	switch {
	case errors.As(err, &e) && e.Silent:
		code = e.Code
	case err != nil:
		t.Fatal(err)
	}
	return code, stdout.String(), stderr.String()
}

func TestCommandEndsAsItIs(t *testing.T) {
	for want, args := range map[int][]string{0: {"exit", "0"}, 3: {"exit", "3"}, 255: {"exit", "255"}, 143: {"die"}} {
		code, out, said := runCommand(t, "", args...)
		if code != want || out != "" || !strings.HasPrefix(said, "fault: seed 7: no traffic came through the proxy\nhint: ") {
			t.Errorf("%q: exit code %d, %q, %q", args, code, out, said)
		}
	}
	if _, _, said := runCommand(t, "--no-ui", "exit", "1"); said != "" {
		t.Errorf("%q", said)
	}
}

func TestCommandStreamsAndEnvironment(t *testing.T) {
	_, out, said := runCommand(t, "--no-ui --proxy 0=db:1", "print", "FAULT_PROXY_URL")
	if !strings.HasPrefix(out, "http://127.0.0.1:") || said != "to stderr\n" {
		t.Errorf("%q, %q", out, said)
	}
	if _, out, _ := runCommand(t, "--no-ui --proxy 0=db:1", "print", "FAULT_MAPPING_0"); !strings.HasPrefix(out, "127.0.0.1:") {
		t.Errorf("%q", out)
	}
	if _, out, _ := runCommand(t, "--no-ui --api-address 127.0.0.1:0", "print", "FAULT_API_URL"); !strings.HasPrefix(out, "http://127.0.0.1:") {
		t.Errorf("%q", out)
	}
	if _, out, _ := runCommand(t, "--no-ui --api-address 127.0.0.1:0", "print", "FAULT_API_TOKEN"); len(out) < 20 {
		t.Errorf("%q", out)
	}
	_, _, said = runCommand(t, "--tail", "exit", "0")
	if !strings.Contains(said, "Seed        7\n") || !strings.Contains(said, "Summary after") {
		t.Errorf("%q", said)
	}
}

func TestCommandThatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	garbage := filepath.Join(dir, "garbage")
	if err := os.WriteFile(garbage, []byte("\x00\x01"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		code int
		text string
	}{
		"no-such-command-at-all":    {127, "no-such-command-at-all: command not found"},
		filepath.Join(dir, "not-a"): {127, filepath.Join(dir, "not-a") + ": no such file"},
		dir:                         {126, dir + " is a folder"},
		plain:                       {126, plain + " cannot be executed: permission denied"},
		garbage:                     {126, "start " + garbage + ": exec format error"},
	} {
		o := options(t, setup+"-- x", io.Discard, io.Discard)
		o.Command = []string{name}
		err := o.run(t.Context())
		var e *cli.Error
		if !errors.As(err, &e) || e.Code != want.code || e.Silent || err.Error() != want.text {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The whole way: without faults first, then with two seeds, with the results of tests and a report.
func TestBaselineAndRepeat(t *testing.T) {
	dir := t.TempDir()
	results, report := filepath.Join(dir, "out.xml"), filepath.Join(dir, "report.json")
	code, _, said := runCommand(t, "--baseline --repeat 2 --with-latency --latency-mean 2500 --latency-stddev 0 --junit "+results+" --report "+report,
		"suite", upstreamServer(t), results)
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{
		"fault: run 1 of 3: without faults\nfault: run 2 of 3: seed 7\nfault: run 3 of 3: seed 8\n",
		"fault: without faults: exit code 0; 4 passed, 0 failed; 2 HTTP exchanges\n",
		"fault: seed 7: exit code 1; 3 passed, 1 failed; latency applied ",
		"fault: 1 test fails only under faults: hasty\n",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q in\n%s", want, said)
		}
	}
	data, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var r runreport.Report
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Runs) != 3 || r.Runs[0].Faults || len(r.Runs[0].Applied) != 0 || r.Runs[2].Seed != 8 || r.Runs[2].Exit.Code != 1 {
		t.Errorf("%+v", r.Runs)
	}
	if f := r.Tests.OnlyUnderFaults; len(f) != 1 || f[0].Test != "hasty" || !reflect.DeepEqual(f[0].Failed, []uint64{7, 8}) || f[0].Message != "too slow" {
		t.Errorf("%+v", f)
	}
	if a := r.Runs[1].Applied; len(a) != 1 || a[0].Fault != "latency" || a[0].Delay == nil || a[0].Delay.Mean != 2500 {
		t.Errorf("%+v", a)
	}
}

// A test without a timeout waits for ever for an upstream that is silent: the report says which one it was.
func TestHang(t *testing.T) {
	results := filepath.Join(t.TempDir(), "out.xml")
	code, _, said := runCommand(t, "--baseline --with-blackhole --timeout 6s --junit "+results, "suite", upstreamServer(t), results)
	if code != 124 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{
		"fault: seed 7: exit code 124 (took too long); 1 passed, 1 failed; blackhole applied 2 times,",
		"fault: 1 test fails only under faults: hasty\n",
		"fault: seed 7: ended while patient was running, if tests run one after the other; 1 test had not begun\n",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q in\n%s", want, said)
		}
	}
}

func TestCommandWithoutResults(t *testing.T) {
	code, _, said := runCommand(t, "--repeat 2 --junit nothing.xml", "exit", "0")
	if code != 0 || strings.Count(said, "it left no test results where --junit looks for them") != 2 || strings.Contains(said, "no test fails") {
		t.Errorf("%d, %s", code, said)
	}
}

func TestProxyThatCannotStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, flag := range []string{"--proxy-address ", "--api-address "} {
		o := options(t, setup+flag+taken.Addr().String()+" -- x", io.Discard, io.Discard)
		o.Command = []string{os.Args[0], "exit", "0"}
		if err := o.run(t.Context()); err == nil || !strings.Contains(err.Error(), "address already in use") {
			t.Errorf("%s: %v", flag, err)
		}
	}
}
