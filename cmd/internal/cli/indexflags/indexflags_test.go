package indexflags

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/cmd/internal/cli/modelflags"
)

// parse returns the options of a command line and an environment.
func parse(t *testing.T, env map[string]string, args ...string) (Options, error) {
	t.Helper()
	var o Options
	cmd := &cobra.Command{Use: "x", RunE: func(cmd *cobra.Command, _ []string) error { return o.Check(cli.OnCommandLineOf(cmd)) }}
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	o.Add(cli.FlagsOf(cmd, "Options"))
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		return cli.ApplyEnv(cmd, func(name string) (string, bool) {
			v, ok := env[name]
			return v, ok
		})
	}
	cmd.SetArgs(args)
	return o, cmd.ExecuteContext(t.Context())
}

func TestOnePlace(t *testing.T) {
	server := Options{QdrantURL: "http://q"}
	for _, tt := range []struct {
		env  map[string]string
		args []string
		want Options
		err  string
	}{
		{want: Options{}},
		{args: []string{"--qdrant-url", "http://q"}, want: server},
		{env: map[string]string{"FAULT_QDRANT_URL": "http://q", "FAULT_QDRANT_API_KEY": "k"}, want: Options{QdrantURL: "http://q", QdrantKey: "k"}},
		{args: []string{"--index", "i", "--qdrant-url", "http://q"}, err: "--index and --qdrant-url"},
		{env: map[string]string{"FAULT_QDRANT_URL": "http://q", "FAULT_INDEX": "i"}, err: "--index and --qdrant-url"},
		{env: map[string]string{"FAULT_QDRANT_URL": "http://q"}, args: []string{"--index", "i"}, want: Options{Index: "i"}},
		{env: map[string]string{"FAULT_INDEX": "i"}, args: []string{"--qdrant-url", "http://q"}, want: server},
		{args: []string{"--qdrant-collection", "c"}, err: "--qdrant-collection: there is no server"},
		{
			env:  map[string]string{"FAULT_QDRANT_URL": "http://q", "FAULT_QDRANT_COLLECTION": "c"},
			want: Options{QdrantURL: "http://q", QdrantCollection: "c"},
		},
	} {
		got, err := parse(t, tt.env, tt.args...)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%v %q: error %v, want %q", tt.env, tt.args, err, tt.err)
			}
			continue
		}
		if err != nil || got != tt.want {
			t.Errorf("%v %q: %+v, %v, want %+v", tt.env, tt.args, got, err, tt.want)
		}
	}
}

func TestWrongURL(t *testing.T) {
	f := &cli.Factory{Log: slog.New(slog.DiscardHandler)}
	for _, url := range []string{"localhost:6334", "http://", "http://user:secret@host", "http://host/path", "http://host:99999", "ftp://host"} {
		_, _, err := (&Options{QdrantURL: url}).Indexes(f, &modelflags.Options{})
		if err == nil || !strings.Contains(err.Error(), "--qdrant-url: ") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// A key that goes over a network without TLS is worth a warning, which does not say what it is.
func TestKeyInTheClear(t *testing.T) {
	for url, warns := range map[string]bool{"http://10.0.0.1": true, "http://localhost": false, "http://[::1]": false, "https://10.0.0.1": false} {
		var log bytes.Buffer
		f := &cli.Factory{Log: slog.New(slog.NewTextHandler(&log, nil))}
		_, done, err := (&Options{QdrantURL: url, QdrantKey: "sesame"}).Indexes(f, &modelflags.Options{EmbedModel: "none"})
		if err != nil {
			t.Fatal(err)
		}
		done()
		if strings.Contains(log.String(), "unencrypted") != warns || strings.Contains(log.String(), "sesame") {
			t.Errorf("%s: log %q", url, log.String())
		}
	}
}
