package agent

import (
	"context"

	"github.com/fault-project/fault/mcp"
	"github.com/fault-project/fault/rag"
	"github.com/fault-project/fault/scenarios"
	"github.com/fault-project/fault/scenarios/runner"
	"github.com/fault-project/fault/tools"
	"github.com/fault-project/fault/treesitter/lint"
)

// tools builds the operations to offer. Nothing is opened or bound here, so that the server answers at once: an index is opened by
// the first call that needs it, a proxy by each measurement. done closes what was opened.
func (o *ToolOptions) tools() (offered mcp.Tools, done func(), err error) {
	targets, err := tools.NewTargetGuard(o.AllowTargets)
	if err != nil {
		return offered, nil, err
	}
	files, err := tools.NewFileGuard(o.AllowDirs)
	if err != nil {
		return offered, nil, err
	}
	indexes, done, err := o.Index.Indexes(o.f, o.Models)
	if err != nil {
		return offered, nil, err
	}
	if name := indexes.Embedder(); name != rag.NoEmbedder {
		o.f.Log.Info("indexed code is given to an embedding model", "model", name)
	}
	offered.Search = tools.NewSearch(files, indexes)
	offered.List = tools.NewList(files)
	offered.Extract = tools.NewExtract(files)
	offered.Lint = tools.NewLint(files)
	offered.Scores = []*tools.Score{tools.NewScore(lint.Performance), tools.NewScore(lint.Reliability)}
	if !o.ReadOnly {
		offered.Index = tools.NewIndex(files, indexes)
		var save tools.SaveResults
		if o.Results != "" {
			if save, err = tools.SaveBelow(o.Results); err != nil {
				done()
				return offered, nil, err
			}
		}
		offered.Impacts = tools.Impacts(targets, o.runScenarios, save)
	}
	return offered, done, nil
}

// runScenarios is the measurements' way to the runner. Each run has a proxy of its own on a free port, so that they do not get into
// each other's way.
func (o *ToolOptions) runScenarios(ctx context.Context, list []scenarios.Scenario, ro tools.RunOptions) (*scenarios.Results, error) {
	options := runner.Options{Seed: ro.Seed, BaselineCalls: ro.BaselineCalls, Logger: o.f.Log}
	if ro.Progress != nil {
		planned := plannedCalls(list)
		options.Progress = func(p runner.Progress) {
			switch p.Phase {
			case runner.Baseline:
				ro.Progress(p.Done, ro.BaselineCalls+planned)
			case runner.Calling, runner.Finished:
				ro.Progress(ro.BaselineCalls+p.Done, ro.BaselineCalls+p.Planned)
			}
		}
	}
	return runner.New(options).Run(ctx, list)
}

// plannedCalls is how many calls the items will make, as far as can be told before.
func plannedCalls(list []scenarios.Scenario) int {
	calls := 0
	for _, s := range list {
		for i := range s.Items {
			item := &s.Items[i]
			if d := item.LoadDuration(); d > 0 {
				calls += int(d.Seconds() * float64(item.Context.Strategy.Clients*item.Context.Strategy.RPS))
			} else {
				calls++
			}
		}
	}
	return calls
}
