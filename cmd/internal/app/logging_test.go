package app

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
)

func TestParseLevels(t *testing.T) {
	for _, tc := range []struct {
		text, pkg string
		want      slog.Level
	}{
		{"info", "proxyengine", slog.LevelInfo},
		{"", "proxyengine", slog.LevelInfo},
		{"Warning", "x", slog.LevelWarn},
		{"off", "x", levelOff},
		{"trace", "x", levelTrace},
		{"info,proxyengine=debug", "proxyengine", slog.LevelDebug},
		{"info,proxyengine=debug", "proxyengine/tcpproxy", slog.LevelDebug},
		{"info,proxyengine=debug", "proxyengineer", slog.LevelInfo},
		{"proxyengine=debug,proxyengine/tcpproxy=error", "proxyengine/tcpproxy", slog.LevelError},
		{"proxyengine/tcpproxy=error,proxyengine=debug", "proxyengine/tcpproxy", slog.LevelError},
		{"info,tower_http=debug", "mcp", slog.LevelInfo},
		{"error, mcp = debug", "mcp", slog.LevelDebug},
	} {
		levels, err := parseLevels(tc.text)
		if err != nil {
			t.Errorf("%q: %v", tc.text, err)
			continue
		}
		if got := levels.of(tc.pkg); got != tc.want {
			t.Errorf("%q gives %s the level %v, want %v", tc.text, tc.pkg, got, tc.want)
		}
	}
	for text, want := range map[string]string{
		"loud":     `unknown level "loud", use trace, debug, info, warn, error or off`,
		"mcp=loud": `unknown level "loud", use trace, debug, info, warn, error or off`,
		"=debug":   `"=debug" names no package`,
	} {
		if _, err := parseLevels(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// The package of a record is where the call to the log stands.
func TestPackageDirectives(t *testing.T) {
	for directive, want := range map[string]bool{
		"off,cmd/internal/app=debug": true,
		"debug,cmd=off":              false,
		"off,mcp=debug":              false,
		"debug":                      true,
	} {
		levels, err := parseLevels(directive)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		log := slog.New(&filterHandler{levels: levels, next: slog.NewTextHandler(&out, &slog.HandlerOptions{Level: levelTrace})})
		log.With("a", 1).WithGroup("g").Debug("hello", "b", 2)
		if got := strings.Contains(out.String(), "hello"); got != want {
			t.Errorf("%s: logged %v, want %v", directive, got, want)
		}
	}
}

func TestLogDestination(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "fault.log")
	if err := os.WriteFile(file, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name             string
		args             []string
		protocol         bool
		stdout, stderr   string // what they contain, in order of info and warn: "iw", "w", ""
		file, wantsError string
	}{
		{name: "neither", stderr: "w"},
		{name: "level asked for", args: []string{"--log-level", "info"}, stderr: "iw"},
		{name: "stdout", args: []string{"--log-stdout"}, stdout: "iw"},
		{name: "file", args: []string{"--log-file", file}, file: "iw"},
		{name: "file and stdout", args: []string{"--log-file", file, "--log-stdout", "--log-level", "error"}},
		{name: "quiet", args: []string{"--no-ui"}},
		{name: "quiet with file", args: []string{"--no-ui", "--log-file", file}, file: "iw"},
		{name: "protocol", protocol: true, args: []string{"--log-stdout"}, wantsError: `--log-stdout cannot be used with "x"`},
		{name: "protocol without", protocol: true, stderr: "w"},
		{name: "folder", args: []string{"--log-file", dir}, wantsError: "open the log file"},
		{name: "level", args: []string{"--log-level", "x"}, wantsError: "--log-level: unknown level"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte("before\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			var out, errs bytes.Buffer
			f := &cli.Factory{Streams: cli.Streams{Out: &out, Err: &errs}}
			o := &logOptions{}
			cmd := &cobra.Command{Use: "x"}
			cmd.Flags().Bool("no-ui", false, "")
			o.addFlags(cmd)
			if tc.protocol {
				cli.ProtocolOutput(cmd)
			}
			if err := cmd.ParseFlags(tc.args); err != nil {
				t.Fatal(err)
			}
			log, closeLog, err := o.open(cmd, f)
			if tc.wantsError != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantsError) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			log.Info("i-line")
			log.Warn("w-line")
			closeLog()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(string(data), "before\n") {
				t.Error("the file was not appended to")
			}
			for where, got := range map[string][2]string{
				"stdout": {seen(out.String()), tc.stdout}, "stderr": {seen(errs.String()), tc.stderr}, "file": {seen(string(data)), tc.file},
			} {
				if got[0] != got[1] {
					t.Errorf("%s has %q, want %q", where, got[0], got[1])
				}
			}
		})
	}
}

func seen(s string) string {
	var out strings.Builder
	for _, level := range []string{"i", "w"} {
		if strings.Contains(s, level+"-line") {
			out.WriteString(level)
		}
	}
	return out.String()
}
