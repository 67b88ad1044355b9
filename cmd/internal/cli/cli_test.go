package cli_test

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
)

type options struct {
	address  string
	proxies  []string
	count    int
	seed     uint64
	duration time.Duration
	quiet    bool
}

// command is a tree with flags of every kind below "root group leaf".
func command(o *options, lookup func(string) (string, bool)) *cobra.Command {
	leaf := &cobra.Command{
		Use: "leaf [FILE]", Short: "Do it", Args: cli.RangeArgs(0, 1, "FILE"),
		PreRunE: func(cmd *cobra.Command, _ []string) error { return cli.ApplyEnv(cmd, lookup) },
		RunE:    func(*cobra.Command, []string) error { return nil },
	}
	flags := cli.FlagsOf(leaf, "Proxy Options")
	flags.String(&o.address, "proxy-address", "T_ADDRESS", "127.0.0.1:1", "listen on `ADDRESS`")
	flags.Strings(&o.proxies, "proxy", "T_PROXIES", "map `LEFT=RIGHT`")
	flags.Int(&o.count, "count", "T_COUNT", 7, "this `MANY`")
	flags = cli.FlagsOf(leaf, "Other Options")
	flags.Uint64(&o.seed, "seed", "T_SEED", 0, "draw from `SEED`")
	flags.Duration(&o.duration, "duration", "T_DURATION", "for `TIME`, "+strings.Repeat("so long ", 20)+"!")
	flags.Bool(&o.quiet, "quiet", "T_QUIET", "say nothing")
	root := cli.Group("root", "Everything", cli.Group("group", "Some", leaf))
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(cli.FlagError)
	cli.UseHelp(root)
	return root
}

func env(pairs ...string) func(string) (string, bool) {
	return func(key string) (string, bool) {
		for _, pair := range pairs {
			if k, v, _ := strings.Cut(pair, "="); k == key {
				return v, true
			}
		}
		return "", false
	}
}

func TestFlagsBeatEnvironmentBeatsDefault(t *testing.T) {
	for _, tc := range []struct {
		name string
		args string
		env  []string
		want options
	}{
		{name: "defaults", want: options{address: "127.0.0.1:1", count: 7}},
		{name: "environment", env: []string{
			"T_ADDRESS=:2", "T_PROXIES=1=a:1, 2=b:2", "T_COUNT=-3", "T_SEED=18446744073709551615", "T_DURATION=1m30s", "T_QUIET=true",
		}, want: options{
			address: ":2", proxies: []string{"1=a:1", "2=b:2"}, count: -3, seed: 1<<64 - 1, duration: 90 * time.Second, quiet: true,
		}},
		{name: "flags", args: "--proxy-address :3 --proxy 3=c:3,4 --proxy 5=d:5 --duration 10 --quiet=false", env: []string{
			"T_ADDRESS=:2", "T_PROXIES=1=a:1", "T_DURATION=nonsense", "T_QUIET=1",
		}, want: options{address: ":3", proxies: []string{"3=c:3,4", "5=d:5"}, count: 7, duration: 10 * time.Second}},
		{name: "an empty variable is none", env: []string{"T_COUNT=", "T_QUIET="}, want: options{address: "127.0.0.1:1", count: 7}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got options
			root := command(&got, env(tc.env...))
			root.SetArgs(append([]string{"group", "leaf"}, strings.Fields(tc.args)...))
			if err := root.Execute(); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestUsageErrors(t *testing.T) {
	for _, tc := range []struct{ args, env, want, hint string }{
		{args: "gruop", want: `unknown command "gruop" for "root"`, hint: `did you mean "root group"?`},
		{args: "group zzz", want: `unknown command "zzz" for "root group"`, hint: "the commands are leaf"},
		{args: "group leaf --proxi 1", want: "unknown option --proxi", hint: "did you mean --proxy?"},
		{args: "group leaf --address 1", want: "unknown option --address", hint: "did you mean --proxy-address?"},
		{args: "group leaf --zzzzz", want: "unknown option --zzzzz", hint: "see root group leaf --help"},
		{args: "group leaf -z", want: "unknown option -z", hint: "see root group leaf --help"},
		{args: "group leaf --proxy", want: "--proxy needs a value: --proxy LEFT=RIGHT", hint: "see root group leaf --help"},
		{args: "group leaf --count x", want: `invalid value "x" for --count: it must be a whole number`, hint: "see root group leaf --help"},
		{
			args: "group leaf --seed -1", want: `invalid value "-1" for --seed: it must be a whole number, 0 or more`,
			hint: "see root group leaf --help",
		},
		{
			args: "group leaf --quiet=maybe", want: `invalid value "maybe" for --quiet: it must be true or false`,
			hint: "see root group leaf --help",
		},
		{args: "group leaf a b", want: `root group leaf takes FILE, got "b" too many`, hint: "see root group leaf --help"},
		{
			args: "group leaf", env: "T_COUNT=x", want: `invalid value "x" in environment variable T_COUNT: it must be a whole number`,
			hint: "unset the variable, or give it what the flag in --help takes",
		},
		{
			args: "group leaf", env: "T_QUIET=maybe", want: `invalid value "maybe" in environment variable T_QUIET: it must be true or false`,
			hint: "unset the variable, or give it what the flag in --help takes",
		},
		{args: "group leaf", env: `T_PROXIES="a`, want: "", hint: "unset the variable, or give it what the flag in --help takes"},
	} {
		t.Run(tc.args+tc.env, func(t *testing.T) {
			root := command(&options{}, env(tc.env))
			root.SetArgs(strings.Fields(tc.args))
			err := root.ExecuteContext(context.Background())
			var e *cli.Error
			if !errors.As(err, &e) || !e.Usage {
				t.Fatalf("got %v, want a usage error", err)
			}
			if tc.want != "" && e.Error() != tc.want || e.Hint != tc.hint {
				t.Errorf("got  %s\n     %s\nwant %s\n     %s", e, e.Hint, tc.want, tc.hint)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	root := command(&options{}, nil)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs([]string{"group", "leaf", "--help"})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	const want = `Do it

Usage:
  root group leaf [FILE] [OPTIONS]

Proxy Options:
      --proxy-address ADDRESS
          listen on ADDRESS [env: T_ADDRESS] [default: 127.0.0.1:1]
      --proxy LEFT=RIGHT
          map LEFT=RIGHT [env: T_PROXIES]
      --count MANY
          this MANY [env: T_COUNT] [default: 7]

Other Options:
      --seed SEED
          draw from SEED [env: T_SEED] [default: 0]
      --duration TIME
          for TIME, so long so long so long so long so long so long so long so long so long so long
          so long so long so long so long so long so long so long so long so long so long !
          [env: T_DURATION]
      --quiet
          say nothing [env: T_QUIET]

Options:
  -h, --help
          print this help
`
	if out.String() != want {
		t.Errorf("help is\n%s", out.String())
	}
}

func TestNoArgs(t *testing.T) {
	cmd := &cobra.Command{Use: "x"}
	if err := cli.NoArgs(cmd, nil); err != nil {
		t.Error(err)
	}
	if err := cli.NoArgs(cmd, []string{"y"}); err == nil || err.Error() != `x takes no argument, got "y"` {
		t.Error(err)
	}
}
