//go:build e2e && unix

package index

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fault-project/fault/rag"
)

// groups is how many words there are of which each function has one; all of them together find everything. There are so many that fewer
// functions than a search gives have the same one.
const groups = 80

// groupWord is the word of a group. It has no digits: those would be words of their own, which other functions have, too.
func groupWord(group int) string { return fmt.Sprintf("marker%c%cz", 'a'+group/10, 'a'+group%10) }

// parts is how many functions a file has.
const parts = 3

// state is the content of files by their path.
type state map[string]string

// span is until when a file had a content: zero while it has it.
type span struct {
	content string
	until   time.Time
}

// tree is a directory whose files change, each at once. It remembers what they were. Not even two versions of one file have a function
// of the same name or text, so that what was found tells its version.
type tree struct {
	root    string
	scratch string // on the same file system, for what is renamed into place

	mu       sync.Mutex
	version  int
	now      state
	history  map[string][]span
	newNames int
}

func newTree(t *testing.T, files int) *tree {
	t.Helper()
	base := t.TempDir()
	tr := &tree{root: filepath.Join(base, "tree"), scratch: filepath.Join(base, "new"), now: state{}, history: map[string][]span{}}
	for range files {
		tr.add(t)
	}
	return tr
}

// source is a version of a file.
func source(name string, version int) string {
	var b strings.Builder
	b.WriteString("package p\n")
	for part := range parts {
		fmt.Fprintf(&b, "\n// %[1]s%[2]dv%[3]d keeps what revision %[3]d of its file is about.\nfunc %[1]s%[2]dv%[3]d() string {\n"+
			"\treturn \"%[4]s common text of revision%[3]d\"\n}\n", name, part, version, groupWord((len(name)*7+version+part)%groups))
	}
	return b.String()
}

// write replaces a file by renaming: one that is half-written would rightly be indexed so.
func (tr *tree) write(t *testing.T, path, content string) {
	t.Helper()
	at := filepath.Join(tr.root, path)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(tr.scratch, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if err := os.Rename(tr.scratch, at); err != nil {
		t.Fatal(err)
	}
	tr.note(path, content)
}

// note remembers that a file has a content now, "" for none, and had another one until now. The lock is held since before that changed.
func (tr *tree) note(path, content string) {
	if h := tr.history[path]; len(h) > 0 && h[len(h)-1].until.IsZero() {
		h[len(h)-1].until = time.Now()
	}
	if content == "" {
		delete(tr.now, path)
		return
	}
	tr.now[path] = content
	tr.history[path] = append(tr.history[path], span{content: content})
}

func (tr *tree) add(t *testing.T) {
	t.Helper()
	tr.newNames++
	tr.version++
	name := fmt.Sprintf("load%dx", tr.newNames)
	tr.write(t, fmt.Sprintf("dir%d/%s.go", tr.newNames%17, name), source(name, tr.version))
}

func (tr *tree) edit(t *testing.T, path string) {
	t.Helper()
	tr.version++
	tr.write(t, path, source(strings.TrimSuffix(filepath.Base(path), ".go"), tr.version))
}

func (tr *tree) remove(t *testing.T, path string) {
	t.Helper()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if err := os.Remove(filepath.Join(tr.root, path)); err != nil {
		t.Fatal(err)
	}
	tr.note(path, "")
}

// move gives a file another directory and the content that it has.
func (tr *tree) move(t *testing.T, path, to string) {
	t.Helper()
	content := tr.now[path]
	tr.remove(t, path)
	tr.write(t, to, content)
}

// change edits most of the files, and adds, removes and moves some.
func (tr *tree) change(t *testing.T, r *rand.Rand) {
	t.Helper()
	for i, path := range slices.Sorted(maps.Keys(tr.now)) {
		switch n := r.IntN(100); {
		case n < 60:
			tr.edit(t, path)
		case n < 63:
			tr.remove(t, path)
			tr.add(t)
		case n < 66:
			tr.move(t, path, fmt.Sprintf("moved%d/%s", i%5, filepath.Base(path)))
		}
	}
}

// copied returns the state as it is now.
func (tr *tree) copied() state {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return maps.Clone(tr.now)
}

// wrong says what a search found that no file with this content has, or returns "".
func wrong(content string, line, end int, name, text string) string {
	lines := strings.Split(content, "\n")
	if line < 1 || end < line || end > len(lines) || strings.Join(lines[line-1:end], "\n") != text {
		return fmt.Sprintf("lines %d-%d (%s) are %q", line, end, name, text)
	}
	return ""
}

// whole searches an index for everything, and says how what it found differs from a state, "" for not at all: a file that is missing,
// or has a part of another version, or lacks one.
func whole(t *testing.T, x *rag.Index, want state) string {
	t.Helper()
	names := map[string]map[string]bool{}
	for group := range groups {
		found, err := x.Search(t.Context(), rag.Query{Text: groupWord(group), Kind: "function", Limit: 100, MaxTokens: 50_000})
		if err != nil {
			return err.Error()
		}
		if found.Warning != "" || found.Files != len(want) {
			return fmt.Sprintf("%d files instead of %d, warning %q", found.Files, len(want), found.Warning)
		}
		for _, r := range found.Results {
			content, ok := want[r.Path]
			if !ok {
				return r.Path + " is not there any more"
			}
			if what := wrong(content, r.StartLine, r.EndLine, r.Name, r.Text); what != "" {
				return r.Path + ": " + what
			}
			if names[r.Path] == nil {
				names[r.Path] = map[string]bool{}
			}
			names[r.Path][r.Name] = true
		}
	}
	for path := range want {
		if len(names[path]) != parts {
			return fmt.Sprintf("of %s there are %d functions instead of %d", path, len(names[path]), parts)
		}
	}
	return ""
}
