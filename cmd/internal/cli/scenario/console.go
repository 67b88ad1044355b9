package scenario

import (
	"fmt"
	"io"
	"time"

	"github.com/fault-project/fault/scenarios"
	"github.com/fault-project/fault/scenarios/runner"
)

// console is the plain-text output of a run: a line for each scenario and each item that is over, and a summary. On a terminal, how
// far an item is stands below them.
type console struct {
	out      io.Writer
	size     func() (width, height int) // of the terminal that out is; nil when it is none
	scenario int                        // number of the scenario that was announced last, from 1
	drawn    bool                       // how far an item is stands there
}

func (c *console) progress(p runner.Progress) {
	c.erase()
	if p.Scenario+1 != c.scenario {
		c.scenario = p.Scenario + 1
		fmt.Fprintf(c.out, "Scenario %d/%d: %s\n", c.scenario, p.Scenarios, p.Title)
	}
	if p.Phase == runner.Finished {
		errs := ""
		if p.Errors > 0 {
			errs = ", " + count(p.Errors, "error")
		}
		fmt.Fprintf(c.out, "  [%d/%d] %s %s: %s%s\n", p.Item+1, p.Items, p.Method, p.URL, count(p.Done, "call"), errs)
		return
	}
	if c.size == nil {
		return
	}
	what := count(p.Planned, "call")
	if p.Phase == runner.Baseline {
		what += " without faults"
	}
	text := []rune(fmt.Sprintf("  [%d/%d] %d of %s: %s %s", p.Item+1, p.Items, p.Done, what, p.Method, p.URL))
	if width, _ := c.size(); len(text) > width-3 {
		text = append(text[:max(width-4, 0)], '…') // a terminal echoes ^C behind it, and must not begin a new line for that
	}
	fmt.Fprint(c.out, string(text))
	c.drawn = true
}

// erase takes away how far an item is.
func (c *console) erase() {
	if c.drawn {
		fmt.Fprint(c.out, "\r\x1b[K")
	}
	c.drawn = false
}

func (c *console) summary(results *scenarios.Results, took time.Duration) {
	run, failed := 0, 0
	for i := range results.Results {
		s := &results.Results[i]
		for j := range s.Results {
			run++
			if s.ItemFailed(j) {
				failed++
				fmt.Fprintf(c.out, "  failed: %s, item %d %s\n", s.Scenario.Title, j+1, s.Results[j].Target.Address)
			}
		}
	}
	fmt.Fprintf(c.out, "\nTests run: %d, Tests failed: %d\nTotal time: %.1fs\n", run, failed, took.Seconds())
}
