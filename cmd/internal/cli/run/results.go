package run

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fault-project/fault/cmd/internal/suite"
)

// resultFiles are the files in which a command leaves its test results.
type resultFiles struct {
	patterns []string // paths, or patterns of paths
	before   map[string]stamp
}

// stamp tells a file that was written from one that was left lying.
type stamp struct {
	modified time.Time
	size     int64
}

// mostResults bounds the size of a file of test results.
const mostResults = 64 << 20

// mark notes what is there before the command runs, so that old results are not taken for new ones.
func (f *resultFiles) mark() {
	f.before = map[string]stamp{}
	for _, path := range f.find() {
		if s, ok := stampOf(path); ok {
			f.before[path] = s
		}
	}
}

func stampOf(path string) (stamp, bool) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return stamp{}, false
	}
	return stamp{info.ModTime(), info.Size()}, true
}

func (f *resultFiles) find() []string {
	var paths []string
	for _, pattern := range f.patterns {
		found, err := filepath.Glob(pattern)
		// A path may contain what would be a pattern; then it is taken literally.
		if _, ok := stampOf(pattern); err != nil || len(found) == 0 && ok {
			found = []string{pattern}
		}
		paths = append(paths, found...)
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// read returns the results that were written since mark, nil when there are none, and notes about what could not be read.
func (f *resultFiles) read() (tests []suite.Test, notes []string) {
	var files [][]suite.Test
	for _, path := range f.find() {
		s, ok := stampOf(path)
		if old, was := f.before[path]; !ok || was && old == s {
			continue
		}
		list, err := readResults(path)
		if err != nil {
			notes = append(notes, fmt.Sprintf("test results in %s: %v", path, err))
		}
		if err == nil || len(list) > 0 {
			files = append(files, list)
		}
	}
	if len(files) == 0 {
		return nil, append(notes, "it left no test results where --junit looks for them")
	}
	return suite.Merge(files...), notes
}

func readResults(path string) ([]suite.Test, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, startReason(err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, mostResults+1))
	switch {
	case err != nil:
		return nil, startReason(err)
	case len(data) > mostResults:
		return nil, errors.New("the file is larger than 64 MiB")
	}
	return suite.Parse(bytes.NewReader(data))
}
