package nearest_test

import (
	"testing"

	"github.com/fault-project/fault/internal/nearest"
)

func TestOf(t *testing.T) {
	flags := []string{"with-latency", "latency-mean", "latency-stddev", "duration", "log-level", "proxy", "upstream"}
	for _, tc := range []struct{ name, want string }{
		{"latency-meen", "latency-mean"},
		{"latecny-mean", "latency-mean"}, // one transposition is one step
		{"Duration", "duration"},
		{"loglevel", "log-level"},
		{"latency", "with-latency"}, // a whole word of it
		{"prox", "proxy"},
		{"proxying", "proxy"}, // the other way round
		{"banana", ""},
		{"x", ""},
		{"", ""},
	} {
		if got := nearest.Of(tc.name, flags); got != tc.want {
			t.Errorf("Of(%q) = %q, want %q", tc.name, got, tc.want)
		}
	}
	if got := nearest.Of("anything", nil); got != "" {
		t.Errorf("with no candidate: %q", got)
	}
}
