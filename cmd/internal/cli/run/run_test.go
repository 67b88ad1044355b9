package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
)

// parse runs the command line with the environment and returns the options it makes.
func parse(t *testing.T, args string, env map[string]string) (*Options, error) {
	t.Helper()
	lookup := func(key string) (string, bool) {
		v, ok := env[key]
		return v, ok
	}
	f := &cli.Factory{Streams: cli.Streams{Out: new(bytes.Buffer), Err: new(bytes.Buffer)}, Log: slog.New(slog.DiscardHandler)}
	var got *Options
	cmd := New(f, func(_ context.Context, o *Options) error {
		got = o
		return nil
	})
	if err := cmd.ParseFlags(strings.Fields(args)); err != nil {
		return nil, cli.FlagError(cmd, err)
	}
	if err := cli.ApplyEnv(cmd, lookup); err != nil {
		return nil, err
	}
	if err := cmd.RunE(cmd, nil); err != nil {
		return nil, err
	}
	got.f = nil
	return got, nil
}

func TestOptions(t *testing.T) {
	for _, tc := range []struct {
		name, args string
		env        map[string]string
		want       Options
		faults     string // as JSON
	}{
		{name: "defaults", want: Options{ProxyAddress: "127.0.0.1:3180"}, faults: "[]"},
		{
			name: "everything",
			args: "--proxy-address :1 --proxy 2=http://a --proxy 3=b:4 --upstream a --upstream b:1 --duration 1m --seed 9 --tail",
			want: Options{
				ProxyAddress: ":1", Proxies: []string{"2=http://a", "3=b:4"}, Upstreams: []string{"a", "b:1"}, Duration: time.Minute,
				Seed: 9, Tail: true,
			},
			faults: "[]",
		},
		{
			name: "environment",
			env: map[string]string{
				"FAULT_PROXY_ADDRESS": "1.2.3.4:5", "FAULT_PROXIES": "2=http://a,3=b:4", "FAULT_UPSTREAMS": "a, b", "FAULT_PROXY_DURATION": "90",
				"FAULT_DISABLE_HTTP_PROXY": "true", "FAULT_PROXY_NO_UI": "1", "FAULT_SEED": "3", "FAULT_WITH_LATENCY": "true",
				"FAULT_LATENCY_MEAN": "300", "FAULT_LATENCY_STANDARD_DEVIATION": "20", "FAULT_LATENCY_PER_READ_WRITE": "true",
				"FAULT_LATENCY_SIDE": "client", "FAULT_LATENCY_DIRECTION": "egress", "FAULT_LATENCY_SCHED": "start:1s,duration:2s",
				"FAULT_JITTER_FREQ": "8",
			},
			want: Options{
				ProxyAddress: "1.2.3.4:5", Proxies: []string{"2=http://a", "3=b:4"}, Upstreams: []string{"a", "b"}, Duration: 90 * time.Second,
				DisableHTTPProxy: true, NoUI: true, Seed: 3,
			},
			faults: `[{"type":"latency","side":"client","distribution":"normal","mean":300,"stddev":20,"scope":"chunk",` +
				`"direction":"egress","period":"start:1s,duration:2s"}]`,
		},
		{
			name:   "a flag beats the environment",
			args:   "--with-latency --latency-mean 5 --latency-stddev 0",
			env:    map[string]string{"FAULT_LATENCY_MEAN": "300", "FAULT_WITH_LATENCY": "false"},
			want:   Options{ProxyAddress: "127.0.0.1:3180"},
			faults: `[{"type":"latency","side":"server","distribution":"normal","mean":5,"stddev":0,"direction":"ingress"}]`,
		},
		{
			name: "several faults, in the order of composition",
			args: "--with-jitter --with-latency --latency-distribution pareto_normal --latency-mean 1 --latency-stddev 1 --latency-shape 2 " +
				"--latency-scale 3 --with-blackhole --blackhole-sched start:5%,duration:10% --duration 10s",
			want: Options{ProxyAddress: "127.0.0.1:3180", Duration: 10 * time.Second},
			faults: `[{"type":"blackhole","side":"server","direction":"ingress","period":"start:5%,duration:10%"},` +
				`{"type":"latency","side":"server","distribution":"paretonormal","mean":1,"stddev":1,"shape":2,"scale":3,"direction":"ingress"},` +
				`{"type":"jitter","side":"server","amplitude":20,"frequency":5,"direction":"ingress"}]`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := parse(t, tc.args, tc.env)
			if err != nil {
				t.Fatal(err)
			}
			faults := got.Faults
			got.Faults = nil
			if !reflect.DeepEqual(*got, tc.want) {
				t.Errorf("got  %+v\nwant %+v", *got, tc.want)
			}
			if !sameFaults(t, faults, tc.faults) {
				data, _ := json.Marshal(faults)
				t.Errorf("faults %s\nwant   %s", data, tc.faults)
			}
		})
	}
}

func sameFaults(t *testing.T, got fault.List, want string) bool {
	t.Helper()
	var list fault.List
	if err := json.Unmarshal([]byte(want), &list); err != nil {
		t.Fatal(err)
	}
	a, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return len(got) == len(list) && (len(got) == 0 || bytes.Equal(a, b))
}

func TestUsageErrors(t *testing.T) {
	for _, tc := range []struct {
		args string
		env  map[string]string
		want string
	}{
		{args: "--latency-mean 3", want: "--latency-mean has no effect without --with-latency"},
		{args: "--latency-per-read-write", want: "--latency-per-read-write has no effect without --with-latency"},
		{args: "--with-latency", want: "--with-latency: --latency-mean "},
		{args: "--with-latency --latency-distribution uniform --latency-min 3", want: "--with-latency: --latency-max "},
		{args: "--with-latency --latency-distribution uniform --latency-min 3 --latency-max 2", want: `min "3" is more than max 2`},
		{args: "--with-latency --latency-mean -1", want: `invalid value "-1" for --latency-mean: it is out of range, use 0 ms`},
		{args: "--with-latency --latency-mean x", want: `invalid value "x" for --latency-mean: it is not a number, use 0 ms`},
		{args: "--with-jitter --jitter-direction up", want: `invalid value "up" for --jitter-direction: it is not an accepted value, use ingress`},
		{args: "--with-jitter --jitter-probability 2", want: `invalid value "2" for --jitter-probability: it is out of range, use 0 to 1`},
		{args: "--with-blackhole --blackhole-sched start:x", want: `invalid value "start:x" for --blackhole-sched`},
		{args: "--with-blackhole --blackhole-sched start:5%", want: "need a --duration"},
		{args: "--with-latency=perhaps", want: `invalid value "perhaps" for --with-latency: it must be true or false`},
		{env: map[string]string{"FAULT_LATENCY_MEAN": "x"}, want: `invalid value "x" in environment variable FAULT_LATENCY_MEAN: it is not a number`},
		{env: map[string]string{"FAULT_WITH_JITTER": "x"}, want: `environment variable FAULT_WITH_JITTER: it must be true or false`},
		{args: "--proxy 1", want: "--proxy: mapping"},
		{args: "--proxy 1=a:1 --proxy 1=b:1", want: "share the address"},
		{args: "--upstream http://", want: "--upstream"},
		{args: "--proxy-address nowhere:x", want: "proxy address"},
		{args: "--duration -3s", want: "--duration"},
		{args: "--disable-http-proxy", want: "nothing to listen on"},
		{args: "--tail --no-ui", want: "--tail prints traffic"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			_, err := parse(t, tc.args, tc.env)
			var e *cli.Error
			if !errors.As(err, &e) || !e.Usage || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want a usage error with %q", err, tc.want)
			}
		})
	}
}

// Every setting of every fault has a flag and a variable, and no two share a name.
func TestEveryFaultHasFlags(t *testing.T) {
	cmd := New(&cli.Factory{}, nil)
	for _, definition := range fault.Definitions() {
		if flag := cmd.Flags().Lookup(definition.Enable.Flag); flag == nil || cli.EnvOf(flag) != definition.Enable.Env {
			t.Errorf("%s cannot be turned on", definition.Kind)
		}
		for _, field := range definition.Fields {
			if field.Flag == "" {
				continue // another spelling in files only
			}
			if flag := cmd.Flags().Lookup(field.Flag); flag == nil || cli.EnvOf(flag) == "" || cli.HeadingOf(flag) != definition.Title+" Options" {
				t.Errorf("%s.%s has no flag %q with a variable under its heading", definition.Kind, field.Name, field.Flag)
			}
		}
	}
	seen := map[string]string{}
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		env := cli.EnvOf(flag)
		if env == "" {
			t.Errorf("--%s has no environment variable", flag.Name)
		}
		if other := seen[env]; other != "" {
			t.Errorf("--%s and --%s share %s", flag.Name, other, env)
		}
		seen[env] = flag.Name
	})
}

func TestScreen(t *testing.T) {
	var out bytes.Buffer
	o := &Options{Tail: true, f: &cli.Factory{Streams: cli.Streams{Out: &out}}}
	s := newScreen(o)
	s.start()
	began := time.Now()
	flow := &event.Flow{Kind: event.Exchange, Method: "GET", URL: "http://h/\x1b[2J\nfake", Start: began}
	s.sink(event.FaultsChanged{Offset: 0, Active: []string{"not scheduled: not worth a line"}})
	s.sink(event.FaultsChanged{Offset: 61250 * time.Millisecond, Active: []string{"Latency: x", "Jitter: y"}})
	s.sink(event.FaultsChanged{Offset: 70 * time.Second})
	s.sink(event.Applied{Index: 1, Fault: "latency", Delay: 100 * time.Millisecond})
	s.sink(event.Applied{Index: 1, Fault: "latency", Delay: 200 * time.Millisecond})
	s.sink(event.Applied{Index: 0, Fault: "blackhole", Bytes: 2_000_000})
	s.sink(event.Applied{Index: 0, Fault: "blackhole", Bytes: 500_000, Continued: true})
	s.sink(event.Completed{Flow: flow, At: began.Add(1500 * time.Millisecond), Status: 502, Up: 12, Down: 3_000, Err: errors.New("refused")})
	s.sink(event.Completed{Flow: &event.Flow{Kind: event.Connection, Target: "db:5432", Start: began, Bypassed: true}, At: began})
	s.sink(event.Notice{Text: "no effect here"})
	s.finish()
	s.sink(event.Notice{Text: "too late"})
	got := out.String()
	for _, want := range []string{
		"[01:01.3] active: Latency: x · Jitter: y\n",
		"[01:10.0] no fault is active\n",
		"GET http://h/ [2J fake 502 1.5s ↑12 B ↓3.0 KB error: refused\n",
		"connection db:5432 0s ↑0 B ↓0 B (not affected)\n",
		"note: no effect here\n",
		"Traffic     1 HTTP exchanges, 0 tunnels, 1 connections; 12 B up, 3.0 KB down; 1 failed, 1 not affected\n",
		"blackhole   applied 1 times, 2.5 MB withheld\nlatency     applied 2 times, mean delay 150.0 ms\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "not worth") || strings.Contains(got, "too late") {
		t.Errorf("too much in\n%s", got)
	}
}

// A terminal that does not read never blocks the data path.
func TestScreenNeverBlocks(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(&Options{f: &cli.Factory{Streams: cli.Streams{Out: &out}}})
	for range 2000 {
		s.sink(event.Notice{Text: "again"})
	}
	s.start()
	s.finish()
	if !strings.Contains(out.String(), "976 lines were dropped") {
		t.Errorf("summary:\n%s", out.String()[max(0, out.Len()-300):])
	}
}
