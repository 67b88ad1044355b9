package scenario

import (
	"fmt"
	"io"
	"time"

	"github.com/fault-project/fault/scenarios"
	"github.com/fault-project/fault/scenarios/runner"
)

// console is the plain-text output of a run: a line for each scenario and each item that is over, and a summary.
type console struct {
	out      io.Writer
	scenario int // number of the scenario that was announced last, from 1
}

func (c *console) progress(p runner.Progress) {
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
	}
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
