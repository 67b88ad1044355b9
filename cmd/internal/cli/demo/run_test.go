package demo

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
)

// newFactory returns what a command gets in a test, with an environment of the test's own.
func newFactory(out io.Writer, env map[string]string) *cli.Factory {
	return &cli.Factory{
		Streams:   cli.Streams{In: strings.NewReader(""), Out: out, Err: io.Discard},
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		Version:   "test",
	}
}

func TestRunOptions(t *testing.T) {
	tests := []struct {
		args, env string
		want      RunOptions
		wrong     string // part of the usage error
	}{
		{args: "", want: RunOptions{Address: "127.0.0.1", Port: 7070}},
		{args: "0.0.0.0", want: RunOptions{Address: "0.0.0.0", Port: 7070}},
		{args: "::1 8080", want: RunOptions{Address: "::1", Port: 8080}},
		{args: "localhost 0", want: RunOptions{Address: "localhost", Port: 0}},
		{args: "--address 127.0.0.2 --port 1", want: RunOptions{Address: "127.0.0.2", Port: 1}},
		{args: "127.0.0.3 --address 127.0.0.2 --port 1", want: RunOptions{Address: "127.0.0.3", Port: 1}},
		{args: "--upstream http://x/", want: RunOptions{Address: "127.0.0.1", Port: 7070, Upstream: "http://x/"}},
		{
			env:  "FAULT_DEMO_ADDR=0.0.0.0 FAULT_DEMO_PORT=9 FAULT_DEMO_UPSTREAM=http://y/",
			want: RunOptions{Address: "0.0.0.0", Port: 9, Upstream: "http://y/"},
		},
		{args: "--port 3", env: "FAULT_DEMO_PORT=9", want: RunOptions{Address: "127.0.0.1", Port: 3}},
		{args: "8080", wrong: `invalid address "8080"`},
		{args: "example.com", wrong: `invalid address "example.com"`},
		{args: "127.0.0.1 http", wrong: `invalid port "http"`},
		{args: "127.0.0.1 65536", wrong: "invalid port 65536"},
		{args: "--port=-1", wrong: "invalid port -1"},
		{args: "127.0.0.1 1 2", wrong: `"2" too many`},
		{env: "FAULT_DEMO_PORT=x", wrong: "FAULT_DEMO_PORT"},
	}
	for _, test := range tests {
		t.Run(test.args+" "+test.env, func(t *testing.T) {
			env := map[string]string{}
			for entry := range strings.FieldsSeq(test.env) {
				name, value, _ := strings.Cut(entry, "=")
				env[name] = value
			}
			f := newFactory(io.Discard, env)
			var got RunOptions
			cmd := NewRun(f, func(_ context.Context, o *RunOptions) error { got = *o; return nil })
			cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return cli.ApplyEnv(cmd, f.LookupEnv) } // as the root command does
			cmd.SetArgs(strings.Fields(test.args))
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			err := cmd.ExecuteContext(t.Context())
			var e *cli.Error
			switch {
			case test.wrong == "" && err != nil:
				t.Fatal(err)
			case test.wrong != "" && (!errors.As(err, &e) || !e.Usage || !strings.Contains(err.Error(), test.wrong)):
				t.Errorf("error %v, want a usage error with %q", err, test.wrong)
			}
			got.f = nil
			if got != test.want {
				t.Errorf("options %+v, want %+v", got, test.want)
			}
		})
	}
}

// TestRun starts the application, reads its address from the prelude, calls it and stops it.
func TestRun(t *testing.T) {
	reader, writer := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		o := RunOptions{Address: "127.0.0.1", Port: 0, f: newFactory(writer, nil)}
		done <- o.run(ctx)
		_ = writer.Close()
	}()
	lines := bufio.NewScanner(reader)
	var address string
	for lines.Scan() && address == "" {
		address = regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(lines.Text())
	}
	answered := make(chan error, 1)
	go func() {
		response, err := http.Get(address + "/")
		if err == nil {
			response.Body.Close()
		}
		answered <- err
	}()
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "GET / 200 ") {
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
	cancel()
	go func() { _, _ = io.Copy(io.Discard, reader) }()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestRunFails(t *testing.T) {
	bad := RunOptions{Address: "127.0.0.1", Upstream: "nowhere", f: newFactory(io.Discard, nil)}
	var e *cli.Error
	if err := bad.run(t.Context()); !errors.As(err, &e) || !e.Usage {
		t.Errorf("a bad upstream: %v, want a usage error", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := RunOptions{Address: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, f: newFactory(io.Discard, nil)}
	if err := taken.run(t.Context()); err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("a taken port: %v, want an error that names %s", err, l.Addr())
	}
}
