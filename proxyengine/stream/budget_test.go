package stream_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/fault-project/fault/proxyengine/stream"
)

func TestBudgetServesInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := stream.NewBudget(1 << 20)
		greedy := stream.NewTestAccount(b, 1<<20)
		var mu sync.Mutex
		var order []int
		var accounts []stream.TestAccount
		told := 0
		for i := range 3 {
			a := stream.NewTestAccount(b, 100<<10)
			accounts = append(accounts, a)
			go func() {
				ok := a.Await(func() { told++ })
				mu.Lock()
				defer mu.Unlock()
				if ok {
					order = append(order, i)
				}
			}()
			synctest.Wait()
		}
		small := stream.NewTestAccount(b, 1000)
		if !small.Await(func() { t.Error("told though there was room") }) {
			t.Error("a direction below its floor must not wait")
		}
		check := func(when string, want ...int) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			slices.Sort(order) // those who go on at one time come in any order
			if !slices.Equal(order, want) {
				t.Errorf("%s: %v went on, want %v", when, order, want)
			}
		}
		check("full")
		greedy.Give(300<<10 + 1000) // what those who wait hold beyond the total
		check("still full")
		greedy.Give(1)
		check("room for one", 0)
		accounts[2].Give(50 << 10) // below its floor, and room for one more
		check("below the floor", 0, 1, 2)
		if told != 3 {
			t.Errorf("told %d times", told)
		}
		for _, a := range append(accounts, greedy, small) {
			a.Close()
		}
		if used := b.Used(); used != 0 {
			t.Errorf("%d bytes are left", used)
		}
	})
}

// TestBudgetTurnIsPassedOn has the one whose turn it is give up.
func TestBudgetTurnIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := stream.NewBudget(1 << 20)
		greedy := stream.NewTestAccount(b, 1<<20)
		quit := make(chan struct{})
		results := make(chan bool, 2)
		first, second := stream.NewTestAccount(b, 100<<10), stream.NewTestAccount(b, 100<<10)
		go func() { results <- first.Await(nil, nil, quit) }()
		synctest.Wait()
		go func() { results <- second.Await(nil) }()
		synctest.Wait()
		close(quit)
		if <-results {
			t.Error("went on without room")
		}
		greedy.Give(1 << 20)
		if !<-results {
			t.Error("did not go on")
		}
		again := stream.NewTestAccount(b, 1<<20)
		if again.Close(); b.Used() != 200<<10 {
			t.Errorf("%d bytes are left", b.Used())
		}
	})
}
