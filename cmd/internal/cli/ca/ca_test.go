package ca

import (
	"context"
	"io"
	"reflect"
	"testing"

	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
)

func TestOptions(t *testing.T) {
	var got any
	for _, tc := range []struct {
		args []string
		env  map[string]string
		want any
	}{
		{[]string{"init"}, nil, InitOptions{}},
		{
			[]string{"init", "--only", "a.example", "--only", "10.0.0.0/8", "--force", "--ca-dir", "x"},
			nil,
			InitOptions{location: location{Dir: "x"}, Only: []string{"a.example", "10.0.0.0/8"}, Force: true},
		},
		{[]string{"init"}, map[string]string{"FAULT_CA_ONLY": "a, b", "FAULT_CA_DIR": "y"}, InitOptions{
			location: location{Dir: "y"}, Only: []string{"a", "b"},
		}},
		{[]string{"export", "--der", "--out", "f"}, nil, ExportOptions{Out: "f", DER: true}},
		{[]string{"export"}, map[string]string{"FAULT_CA_OUT": "f", "FAULT_CA_BUNDLE": "true"}, ExportOptions{Out: "f", Bundle: true}},
		{[]string{"path", "--ca-dir", "x"}, nil, PathOptions{location: location{Dir: "x"}}},
	} {
		f := &cli.Factory{Streams: cli.Streams{Out: io.Discard, Err: io.Discard}}
		f.LookupEnv = func(key string) (string, bool) { v, ok := tc.env[key]; return v, ok }
		cmd := &cobra.Command{Use: "ca", SilenceErrors: true, SilenceUsage: true}
		cmd.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return cli.ApplyEnv(cmd, f.LookupEnv) }
		cmd.AddCommand(
			NewInit(f, func(_ context.Context, o *InitOptions) error { o.f = nil; got = *o; return nil }),
			NewExport(f, func(_ context.Context, o *ExportOptions) error { o.f = nil; got = *o; return nil }),
			NewPath(f, func(_ context.Context, o *PathOptions) error { o.f = nil; got = *o; return nil }),
		)
		cmd.SetArgs(tc.args)
		if err := cmd.ExecuteContext(t.Context()); err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%v: %+v, want %+v; %v", tc.args, got, tc.want, err)
		}
	}
}
