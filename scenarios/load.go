package scenarios

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxFileSize is far above any file written by hand or generated, and keeps a wrong path from filling the memory.
const maxFileSize = 8 << 20

// Loaded is the content of one scenario file.
type Loaded struct {
	Path      string
	Scenarios []Scenario
	// Notes are not errors: what a reader of the results should know in advance.
	Notes []Problem
}

// Load reads a scenario file, or every .yaml and .yml file of a directory (not of those below it) in order of their names. The
// error is a [Problems] with everything that is wrong in all of them; then nothing is returned, so that no half of a suite runs.
func Load(path string) ([]Loaded, error) {
	loaded, problems := load(path)
	if len(problems) > 0 {
		return nil, problems
	}
	return loaded, nil
}

// Validate loads every path as [Load] does and returns what could be read together with all problems of all of them.
func Validate(paths ...string) ([]Loaded, Problems) {
	var all []Loaded
	var problems Problems
	for _, path := range paths {
		loaded, found := load(path)
		all = append(all, loaded...)
		problems = append(problems, found...)
	}
	return all, problems
}

// Parse decodes and validates scenarios; name appears in problems. The error is a [Problems] with everything that is wrong.
func Parse(name string, data []byte) ([]Scenario, error) {
	loaded, problems := parse(name, data)
	if len(problems) > 0 {
		return nil, problems
	}
	return loaded.Scenarios, nil
}

func load(path string) ([]Loaded, Problems) {
	files, problem := scenarioFiles(path)
	if problem != nil {
		return nil, Problems{*problem}
	}
	var all []Loaded
	var problems Problems
	for _, file := range files {
		data, problem := readFile(file)
		if problem != nil {
			problems = append(problems, *problem)
			continue
		}
		loaded, found := parse(file, data)
		if len(found) == 0 {
			all = append(all, loaded)
		}
		problems = append(problems, found...)
	}
	return all, problems
}

func scenarioFiles(path string) ([]string, *Problem) {
	info, err := os.Stat(path)
	switch {
	case path == "":
		return nil, &Problem{Message: "no scenario file given: name a YAML or JSON file, or a directory of YAML files"}
	case errors.Is(err, fs.ErrNotExist):
		return nil, &Problem{File: path, Message: "no such file or directory"}
	case err != nil:
		return nil, &Problem{File: path, Message: reason(err)}
	case !info.IsDir():
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, &Problem{File: path, Message: reason(err)}
	}
	var files []string
	for _, e := range entries { // sorted by name
		ext := strings.ToLower(filepath.Ext(e.Name()))
		if !e.IsDir() && (ext == ".yaml" || ext == ".yml") {
			files = append(files, filepath.Join(path, e.Name()))
		}
	}
	if len(files) == 0 {
		return nil, &Problem{File: path, Message: "the directory holds no scenario file (*.yaml, *.yml); a JSON file is named itself"}
	}
	return files, nil
}

func readFile(path string) ([]byte, *Problem) {
	info, err := os.Stat(path)
	if err == nil && info.Mode().IsRegular() && info.Size() > maxFileSize {
		return nil, &Problem{File: path, Message: tooLarge}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, &Problem{File: path, Message: reason(err)}
	}
	return data, nil
}

var tooLarge = fmt.Sprintf("is larger than %d MiB, which no scenario file is", maxFileSize>>20)

// reason is the cause of a file error without the path, which a problem carries already.
func reason(err error) string {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err.Error()
	}
	return err.Error()
}

// text checks that data can be text at all, and removes a byte order mark.
func text(data []byte) ([]byte, string) {
	if len(data) > maxFileSize {
		return nil, tooLarge
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, "the file is empty: it holds no scenario"
	}
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return nil, "is UTF-16 text: save it as UTF-8"
	}
	if !utf8.Valid(data) {
		return nil, "is not UTF-8 text"
	}
	if i := slices.Index(data, 0); i >= 0 {
		return nil, "is not text: it holds zero bytes"
	}
	return data, ""
}
