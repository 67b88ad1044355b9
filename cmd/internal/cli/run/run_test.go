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

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fault-project/fault/cmd/internal/cli"
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
	cmd.SetArgs(strings.Fields(args))
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetFlagErrorFunc(cli.FlagError)
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return cli.ApplyEnv(cmd, lookup) }
	if err := cmd.Execute(); err != nil {
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
		{name: "defaults", want: Options{ProxyAddress: "127.0.0.1:3180", Repeat: 1}, faults: "[]"},
		{
			name: "everything",
			args: "--proxy-address :1 --proxy 2=http://a --proxy 3=b:4 --http-upstream-override https://c --upstream a --upstream b:1 --duration 1m --seed 9 --tail --report r.xml " +
				"--api-address 127.0.0.1:8474 --api-token secret",
			want: Options{
				ProxyAddress: ":1", Proxies: []string{"2=http://a", "3=b:4"}, Upstreams: []string{"a", "b:1"}, Duration: time.Minute,
				UpstreamOverride: "https://c", Seed: 9, Tail: true, Report: "r.xml", APIAddress: "127.0.0.1:8474", APIToken: "secret", Repeat: 1,
			},
			faults: "[]",
		},
		{
			name: "faults of exchanges",
			args: `--with-http-response --http-response-direction both --http-response-status 503 --http-response-body {} ` +
				`--http-response-trigger-probability 0.5 --with-http-body --http-body-truncate 9 --with-dns --dns-rate 0.1 --dns-delay 5`,
			env: map[string]string{
				"FAULT_HTTP_FAULT_MATCH": "POST /orders first:2", "FAULT_HTTP_FAULT_SCHED": "start:1s", "FAULT_DNS_SCHED": "start:2s",
				"FAULT_DNS_PROBABILITY": "0.9", "FAULT_HTTP_UPSTREAM_OVERRIDE": "c:1",
			},
			want: Options{ProxyAddress: "127.0.0.1:3180", UpstreamOverride: "c:1", Repeat: 1},
			faults: `[{"type":"httperror","side":"server","status_code":503,"body":"{}","direction":"both","period":"start:1s",` +
				`"probability":0.5,"match":"POST /orders first:2"},` +
				`{"type":"dns","side":"server","rate":0.1,"delay":5,"direction":"ingress","period":"start:2s"},` +
				`{"type":"httpbody","side":"server","truncate":9,"direction":"ingress"}]`,
		},
		{
			name: "environment",
			env: map[string]string{
				"FAULT_PROXY_ADDRESS": "1.2.3.4:5", "FAULT_PROXIES": "2=http://a,3=b:4", "FAULT_UPSTREAMS": "a, b", "FAULT_PROXY_DURATION": "90",
				"FAULT_DISABLE_HTTP_PROXY": "true", "FAULT_PROXY_NO_UI": "1", "FAULT_SEED": "3", "FAULT_WITH_LATENCY": "true",
				"FAULT_LATENCY_MEAN": "300", "FAULT_LATENCY_STANDARD_DEVIATION": "20", "FAULT_LATENCY_PER_READ_WRITE": "true",
				"FAULT_LATENCY_SIDE": "client", "FAULT_LATENCY_DIRECTION": "egress", "FAULT_LATENCY_SCHED": "start:1s,duration:2s",
				"FAULT_JITTER_FREQ": "8", "FAULT_REPORT": "r.md", "FAULT_API_ADDRESS": "8474", "FAULT_API_TOKEN": "none", "FAULT_REPEAT": "3",
				"FAULT_BASELINE": "true", "FAULT_TIMEOUT": "5s", "FAULT_JUNIT": "a.xml,b.xml",
			},
			want: Options{
				ProxyAddress: "1.2.3.4:5", Proxies: []string{"2=http://a", "3=b:4"}, Upstreams: []string{"a", "b"}, Duration: 90 * time.Second,
				DisableHTTPProxy: true, NoUI: true, Seed: 3, Report: "r.md", APIAddress: "8474", APIToken: "none",
				Repeat: 3, Baseline: true, Timeout: 5 * time.Second, JUnit: []string{"a.xml", "b.xml"},
			},
			faults: `[{"type":"latency","side":"client","distribution":"normal","mean":300,"stddev":20,"scope":"chunk",` +
				`"direction":"egress","period":"start:1s,duration:2s"}]`,
		},
		{
			name:   "a flag beats the environment",
			args:   "--with-latency --latency-mean 5 --latency-stddev 0",
			env:    map[string]string{"FAULT_LATENCY_MEAN": "300", "FAULT_WITH_LATENCY": "false"},
			want:   Options{ProxyAddress: "127.0.0.1:3180", Repeat: 1},
			faults: `[{"type":"latency","side":"server","distribution":"normal","mean":5,"stddev":0,"direction":"ingress"}]`,
		},
		{
			name: "several faults, in the order of composition",
			args: "--with-jitter --with-latency --latency-distribution pareto_normal --latency-mean 1 --latency-stddev 1 --latency-shape 2 " +
				"--latency-scale 3 --with-blackhole --blackhole-sched start:5%,duration:10% --duration 10s",
			want: Options{ProxyAddress: "127.0.0.1:3180", Repeat: 1, Duration: 10 * time.Second},
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
			if len(got.Command) == 0 {
				got.Command = nil
			}
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
		{args: "--with-http-response --http-response-match orders", want: `--http-response-match`},
		{args: "--with-http-body", want: "--with-http-body: --http-body-replace is missing, and so are patch and truncate"},
		{args: "--with-dns --dns-rate 2", want: `invalid value "2" for --dns-rate: it is out of range, use 0 to 1`},
		{args: "--http-upstream-override psql://h", want: "write http:// or https://"},
		{args: "--http-upstream-override h:1 --disable-http-proxy --proxy 1=h:1", want: "--disable-http-proxy opens none"},
		{args: "--proxy 1", want: "--proxy: mapping"},
		{args: "--proxy 1=a:1 --proxy 1=b:1", want: "share the address"},
		{args: "--upstream http://", want: "--upstream"},
		{args: "--proxy-address nowhere:x", want: "proxy address"},
		{args: "--duration -3s", want: "--duration"},
		{args: "--disable-http-proxy", want: "nothing to listen on"},
		{args: "pytest -q", want: "unknown option -q"},
		{args: "pytest", want: `run takes no argument, got "pytest"`},
		{args: "x -- pytest", want: `run takes no argument, got "x"`},
		{args: "--", want: "there is no command after --"},
		{args: "--repeat 3", want: "--repeat has no effect without a command"},
		{args: "--baseline", want: "--baseline has no effect without a command"},
		{args: "--timeout 3", want: "--timeout has no effect without a command"},
		{args: "--junit x.xml", want: "--junit has no effect without a command"},
		{args: "--repeat 0 -- true", want: `invalid value "0" for --repeat: it must be 1 or more`},
		{args: "--baseline -- true", want: "--baseline has nothing to compare with"},
		{args: "--report r.html", want: `--report: "r.html" has no extension of a report`},
		{args: "--api-token x", want: "--api-token has no effect without --api-address"},
		{args: "--api-address x:y:z", want: `--api-address: control API address "x:y:z"`},
		{args: "--api-address 0.0.0.0:1", want: "--api-address: control API on 0.0.0.0:1: other machines reach that address"},
		{args: "--api-address 8474 --no-ui", want: "--no-ui does not print the token"},
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

// A person looks for where and which way first, and for when and how often last.
func TestOrderOfFaultFlags(t *testing.T) {
	cmd := New(&cli.Factory{}, nil)
	var names []string
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if cli.HeadingOf(flag) == "Blackhole Options" {
			names = append(names, strings.TrimPrefix(flag.Name, "blackhole-"))
		}
	})
	want := []string{"with-blackhole", "side", "direction", "heal", "sched", "probability", "match"}
	if !reflect.DeepEqual(names, want) {
		t.Errorf("%v", names)
	}
}
