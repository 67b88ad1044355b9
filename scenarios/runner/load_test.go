package runner

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	tests := []struct {
		plan  plan
		count int
		last  time.Duration
	}{
		{plan{10 * time.Second, 3}, 30, 9*time.Second + 666666666},
		{plan{time.Second, 1}, 1, 0},
		{plan{1500 * time.Millisecond, 1}, 2, time.Second},
		{plan{500 * time.Millisecond, 1}, 1, 0},
		{plan{999 * time.Millisecond, 1000}, 999, 998 * time.Millisecond},
		{plan{time.Second + 1, 1}, 2, time.Second},
		{plan{time.Second / 3, 3}, 1, 0},
		{plan{time.Second/3 + 1, 3}, 2, time.Second / 3},
		{plan{7 * 24 * time.Hour, 7}, 7 * 86400 * 7, 7*24*time.Hour - time.Second + 857142857},
	}
	for _, tt := range tests {
		n := tt.plan.count()
		if n != tt.count {
			t.Errorf("%+v: %d calls, want %d", tt.plan, n, tt.count)
		}
		if at := tt.plan.start(n - 1); at != tt.last {
			t.Errorf("%+v: the last call starts at %v, want %v", tt.plan, at, tt.last)
		}
		if at := tt.plan.start(n); at < tt.plan.duration {
			t.Errorf("%+v: a call at %v is within the duration, but not counted", tt.plan, at)
		}
	}
}

// TestDriverStartsOnTime has every call last far longer than the interval between two of them.
func TestDriverStartsOnTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			mu     sync.Mutex
			starts = map[int]time.Duration{}
			origin = time.Now()
		)
		d := driver{
			plan: plan{2 * time.Second, 50}, ceiling: 1000, wait: onRuntime,
			call: func(_ context.Context, i int, intended time.Time) {
				mu.Lock()
				starts[i] = time.Since(origin)
				mu.Unlock()
				if !time.Now().Equal(intended) {
					t.Errorf("call %d started %v late", i, time.Since(intended))
				}
				time.Sleep(5 * time.Second)
			},
			skipped: func(i int) { t.Errorf("call %d was skipped", i) },
		}
		if peak := d.run(t.Context(), origin); peak != 100 {
			t.Errorf("at most %d calls in flight, want all 100", peak)
		}
		for i := range 100 {
			if want := time.Duration(i) * 20 * time.Millisecond; starts[i] != want {
				t.Errorf("call %d started at %v, want %v", i, starts[i], want)
			}
		}
		if took := time.Since(origin); took != 6980*time.Millisecond {
			t.Errorf("took %v, want the last start and the duration of a call, 6.98s", took)
		}
	})
}

func TestDriverCeiling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var skipped []int
		d := driver{
			plan: plan{time.Second, 10}, ceiling: 3, wait: onRuntime,
			call:    func(context.Context, int, time.Time) { time.Sleep(450 * time.Millisecond) },
			skipped: func(i int) { skipped = append(skipped, i) },
		}
		if peak := d.run(t.Context(), time.Now()); peak != 3 {
			t.Errorf("at most %d calls in flight, want 3", peak)
		}
		// 0, 1 and 2 are in flight until 450, 550 and 650 ms; 5, 6 and 7 follow them.
		if want := []int{3, 4, 8, 9}; !equal(skipped, want) {
			t.Errorf("skipped %v, want %v", skipped, want)
		}
	})
}

func TestDriverCanceled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2550*time.Millisecond)
		defer cancel()
		var mu sync.Mutex
		calls := 0
		d := driver{
			plan: plan{time.Hour, 10}, ceiling: 100, wait: onRuntime,
			call: func(ctx context.Context, _ int, _ time.Time) {
				mu.Lock()
				calls++
				mu.Unlock()
				<-ctx.Done()
			},
		}
		begin := time.Now()
		d.run(ctx, begin)
		if took := time.Since(begin); took != 2550*time.Millisecond {
			t.Errorf("returned %v after the start, want at the cancellation", took)
		}
		if calls != 26 {
			t.Errorf("%d calls were started, want 26", calls)
		}
	})
}

func equal(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
