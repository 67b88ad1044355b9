package scenarios

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ReadResults reads a results.json. Errors are one line and name the file.
func ReadResults(path string) (*Results, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s does not exist: run scenarios first, they write their results there", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	return DecodeResults(path, data)
}

// DecodeResults decodes the content of a results.json; name appears in errors.
func DecodeResults(name string, data []byte) (*Results, error) {
	var r Results
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, fmt.Errorf("%s is empty: it should hold the results of a scenario run", name)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			line := 1 + bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n"))
			return nil, fmt.Errorf("%s:%d: not the JSON of a scenario run: %w", name, line, err)
		}
		return nil, fmt.Errorf("%s: not the results of a scenario run: %w", name, err)
	}
	if r.Results == nil {
		return nil, fmt.Errorf("%s: not the results of a scenario run: it has no list named results", name)
	}
	return &r, nil
}

// EncodeResults returns r as results.json holds it: indented, with secrets masked (see [Results.Masked]).
func EncodeResults(r *Results) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r.Masked()); err != nil {
		return nil, fmt.Errorf("encode results: %w", err)
	}
	return b.Bytes(), nil
}

// WriteResults writes r to path, with secrets masked, in one step: a reader sees the old file or the whole new one.
func WriteResults(path string, r *Results) error {
	data, err := EncodeResults(r)
	if err != nil {
		return err
	}
	return WriteFile(path, data)
}

// CheckFile reports whether [WriteFile] can write to path, so that work whose outcome goes there need not end in that error. It
// leaves what is there as it is.
func CheckFile(path string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return notFolder(path, info)
	}
	f, err := createBeside(path)
	if err != nil {
		return err
	}
	_ = f.Close()
	return os.Remove(f.Name())
}

func notFolder(path string, info os.FileInfo) error {
	if info.IsDir() {
		return fmt.Errorf("%s is a directory: name a file in it", path)
	}
	return nil
}

// createBeside creates a file in the folder of path.
func createBeside(path string) (*os.File, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	var at *os.PathError
	if errors.As(err, &at) { // the file that it names is one that nobody asked for
		return nil, fmt.Errorf("cannot write to the folder %s: %w", filepath.Dir(path), at.Err)
	}
	return f, err
}

// WriteFile replaces path by a file with that content, readable by its owner and group, in one step. Where path is something
// other than a regular file (a pipe, /dev/stdout), it writes into it.
func WriteFile(path string, data []byte) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		if err := notFolder(path, info); err != nil {
			return err
		}
		return os.WriteFile(path, data, 0o644)
	}
	f, err := createBeside(path)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // a no-op once renamed
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}

// eventKeys are the keys that FaultEvent has fields for.
var eventKeys = []string{"type", "direction", "side", "delay", "bytes", "status", "detail"}

// plainEvent is FaultEvent without its methods.
type plainEvent FaultEvent

// UnmarshalJSON keeps keys that the type has no field for.
func (e *FaultEvent) UnmarshalJSON(data []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	var plain plainEvent
	if err := json.Unmarshal(data, &plain); err != nil {
		return err
	}
	*e = FaultEvent(plain)
	maps.DeleteFunc(all, func(key string, _ json.RawMessage) bool { return slices.Contains(eventKeys, strings.ToLower(key)) })
	if len(all) > 0 {
		e.extra = all
	}
	return nil
}

// MarshalJSON writes the fields, then the keys that were only read, in alphabetical order.
func (e FaultEvent) MarshalJSON() ([]byte, error) {
	data, err := json.Marshal(plainEvent(e))
	if err != nil || len(e.extra) == 0 {
		return data, err
	}
	data = data[:len(data)-1]
	for _, key := range slices.Sorted(maps.Keys(e.extra)) {
		name, err := json.Marshal(key)
		if err != nil {
			return nil, err
		}
		data = append(append(append(append(data, ','), name...), ':'), e.extra[key]...)
	}
	return append(data, '}'), nil
}
