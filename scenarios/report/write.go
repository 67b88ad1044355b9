package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/fault-project/fault/scenarios"
)

// format is a form of the report, by the extensions of its files.
type format struct {
	extensions []string
	write      func(*Report, io.Writer) error
}

var formats = []format{
	{[]string{".md", ".markdown"}, (*Report).WriteMarkdown},
	{[]string{".json"}, (*Report).WriteJSON},
	{[]string{".yaml", ".yml"}, (*Report).WriteYAML},
	{[]string{".html", ".htm"}, (*Report).WriteHTML},
	{[]string{".xml"}, (*Report).WriteJUnit},
}

// WriteJSON writes the report as indented JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	return nil
}

// WriteYAML writes the report as YAML, with the keys of the JSON form.
func (r *Report) WriteYAML(w io.Writer) error {
	data, err := json.Marshal(r)
	if err == nil {
		data, err = yaml.JSONToYAML(data)
	}
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	_, err = w.Write(data)
	return err
}

// CheckPath reports whether [Report.Write] knows a form for the file's extension, so that a run need not end in that error.
func CheckPath(path string) error {
	_, err := formatOf(path)
	return err
}

// Write writes the report to a file, in one step, in the form that its extension names: .md, .json, .yaml, .html or
// .xml (JUnit).
func (r *Report) Write(path string) error {
	f, err := formatOf(path)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := f.write(r, &b); err != nil {
		return err
	}
	return scenarios.WriteFile(path, b.Bytes())
}

func formatOf(path string) (*format, error) {
	ext := strings.ToLower(filepath.Ext(path))
	var known []string
	for i := range formats {
		for _, e := range formats[i].extensions {
			if e == ext {
				return &formats[i], nil
			}
		}
		known = append(known, formats[i].extensions[0])
	}
	return nil, fmt.Errorf("%q has no extension of a report: name it with one of %s", path, strings.Join(known, ", "))
}
