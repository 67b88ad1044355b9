package tools

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/fault-project/fault/scenarios"
	"github.com/fault-project/fault/scenarios/report"
)

// SaveResults keeps the results of a measurement, and returns the folder that has them. fault is the name of an [Impact].
type SaveResults func(fault string, results *scenarios.Results) (folder string, err error)

// SaveBelow returns a [SaveResults] that makes a new folder below dir for each measurement, named after its beginning in UTC and its
// fault (20260131-235959-latency), with results.json and report.md. dir is made if it does not exist. The error is a *[UserError].
// What it returns may be called concurrently.
func SaveBelow(dir string) (SaveResults, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = scenarios.CheckFile(filepath.Join(dir, "results.json"))
	}
	if err != nil {
		return nil, &UserError{Argument: "--results", Message: reason(err).Error(), Hint: "name a folder that can be written to"}
	}
	return func(fault string, results *scenarios.Results) (string, error) {
		folder, err := newFolder(filepath.Join(dir, time.Unix(results.Start, 0).UTC().Format("20060102-150405")+"-"+fault))
		if err != nil {
			return "", err
		}
		if err := scenarios.WriteResults(filepath.Join(folder, "results.json"), results); err != nil {
			return "", err
		}
		return folder, report.Build(results).Write(filepath.Join(folder, "report.md"))
	}, nil
}

// newFolder makes a folder that was not there: path, or path-2 and so on.
func newFolder(path string) (string, error) {
	const most = 1000
	for i := 1; i <= most; i++ {
		name := path
		if i > 1 {
			name = fmt.Sprintf("%s-%d", path, i)
		}
		if err := os.Mkdir(name, 0o755); !errors.Is(err, fs.ErrExist) {
			return name, err
		}
	}
	return "", fmt.Errorf("%s: there are %d of these already", path, most)
}
