package rag

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// A batch is committed when it has this many files or this much text: what a killed update has to do again.
const (
	batchFiles = 512
	batchBytes = 8 << 20
	// batchVectors is less, in chunks, because vectors may cost money.
	batchVectors = 512
)

// racyWindow is how long after a file's modification a reading of it is not trusted to be the last: the clocks of file systems tick
// in steps of up to two seconds (FAT), and a change within one step leaves the time as it was.
const racyWindow = 2 * time.Second

// maxFailures bounds the list of failures in a Summary.
const maxFailures = 20

// Options are the choices of an update.
type Options struct {
	// Language, if not empty, restricts the update to files of that language. What the index has of other languages stays.
	Language string
	// Rebuild starts from nothing instead of refusing an index that does not fit.
	Rebuild bool
	// DryRun reads and cuts everything as an update would, and changes nothing: the Summary says what the update would do, and
	// how much an embedder would be given.
	DryRun bool
	// Progress, if not nil, is called from one goroutine with the number of files done and to do.
	Progress func(done, total int, message string)
}

// Summary is the result of an update.
type Summary struct {
	// Added, Modified, Removed and Unchanged count indexed files. A file that was only touched is unchanged.
	Added, Modified, Removed, Unchanged int
	// Failed counts files that could not be read or are not text; Failures names the first of them and why.
	Failed   int
	Failures []string
	// Skipped counts by reason what was left out on purpose; a directory counts once.
	Skipped map[string]int
	// Files, Chunks and Bytes (of source) are the totals of the index, of all languages.
	Files, Chunks int
	Bytes         int64
	// Embedded counts the vectors that were made, of about Tokens tokens, Reused the chunks that the index had a vector for. They are 0
	// without an embedder.
	Embedded, Reused, Tokens int
}

// EmptyError says that a directory has nothing to index.
type EmptyError struct {
	Root, Language string
	Skipped        map[string]int
	Failures       []string
}

// Error names the reasons, the most frequent first.
func (e *EmptyError) Error() string {
	what := "nothing to index"
	if e.Language != "" {
		what = "no " + e.Language + " files to index"
	}
	why := make([]string, 0, len(e.Skipped))
	for _, reason := range slices.SortedFunc(maps.Keys(e.Skipped), func(a, b string) int {
		return cmp.Or(cmp.Compare(e.Skipped[b], e.Skipped[a]), strings.Compare(a, b))
	}) {
		why = append(why, fmt.Sprintf("%d %s", e.Skipped[reason], reason))
	}
	text := what + " in " + e.Root
	switch {
	case len(why) > 0:
		text += " (skipped: " + strings.Join(why, ", ") + ")"
	case len(e.Failures) == 0:
		text += " (it is empty)"
	}
	if len(e.Failures) > 0 {
		text += "; failed: " + strings.Join(e.Failures, "; ")
	}
	return text
}

// Update brings the index up to date with its directory and returns what that meant. It waits while another process updates the same
// index. When ctx ends it stops at once with the context's error; what was committed by then is used by the next update, and
// what was published before stays as it is. If there is nothing to index the error is an *EmptyError.
func (x *Index) Update(ctx context.Context, o Options) (*Summary, error) {
	m, err := x.manifest(ctx)
	if err != nil {
		return nil, err
	}
	begin := x.store.Begin
	if o.DryRun {
		begin = x.beginDry
	}
	base, writer, err := begin(ctx, m, o.Rebuild)
	if err != nil {
		return nil, err
	}
	u := &update{
		root: x.root, options: o, writer: writer, summary: &Summary{}, records: make(map[string]FileRecord, len(base.Files)),
		embedder: x.embedder, dimension: m.Dimension,
	}
	err = u.run(ctx, base)
	if closeErr := writer.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	return u.summary, nil
}

// update is one run of Update.
type update struct {
	root    string
	options Options
	writer  Writer
	summary *Summary
	records map[string]FileRecord // of the index as it is now
	nextID  uint32
	terms   *lexicalBuilder
	// published are the terms of the base, once there is something to change.
	published *lexical
	batch     Batch
	bytes     int
	dirty     bool
	// embedded has the keys of the vectors that the index has or will get with this batch; toEmbed are the texts of the latter.
	embedder    Embedder
	dimension   int
	embedded    map[VectorKey]bool
	toEmbed     []string
	toEmbedKeys []VectorKey
	// done of total files were taken over.
	done, total int
}

func (u *update) run(ctx context.Context, base *Base) error {
	for _, r := range base.Files {
		u.records[r.Path] = r
		u.nextID = max(u.nextID, r.FirstID+uint32(r.Chunks))
	}
	u.dirty = base.Unpublished
	u.terms = newLexicalBuilder()
	files, skipped, err := walk(ctx, u.root, u.options.Language)
	if err != nil {
		return fmt.Errorf("walk %s: %w", u.root, err)
	}
	u.summary.Skipped = skipped
	todo := u.compare(files)
	if len(todo) > 0 || u.dirty {
		data, err := base.Lexical(ctx)
		if err != nil {
			return err
		}
		if u.published, err = decodeLexical(data); err != nil {
			return err
		}
		// The IDs of chunks that are gone stay in the published terms until these are merged.
		if n := len(u.published.ids); n > 0 {
			u.nextID = max(u.nextID, u.published.ids[n-1]+1)
		}
	}
	if len(todo) > 0 && u.embedder != nil {
		if u.embedded, err = base.Embedded(ctx); err != nil {
			return err
		}
	}
	u.done, u.total = len(files)-len(todo), len(files)
	if err := u.readAll(ctx, todo); err != nil {
		return err
	}
	if err := u.commit(ctx); err != nil {
		return err
	}
	for _, r := range u.records {
		if r.Skipped == "" {
			u.summary.Files++
			u.summary.Chunks += r.Chunks
			u.summary.Bytes += r.Size
		}
	}
	empty := u.summary.Added+u.summary.Modified+u.summary.Unchanged == 0
	// What is gone must not be found any more, even where nothing is left; a first update that finds nothing leaves nothing.
	if u.dirty && !u.options.DryRun && (!empty || len(base.Files) > 0) {
		terms, err := u.mergeTerms(base)
		if err != nil {
			return err
		}
		if err := u.writer.Publish(ctx, terms.encode()); err != nil {
			return err
		}
	}
	if empty {
		return &EmptyError{Root: u.root, Language: u.options.Language, Skipped: skipped, Failures: u.summary.Failures}
	}
	return nil
}

// compare settles the files that have not changed and those that are gone, and returns the others.
func (u *update) compare(files []found) (todo []found) {
	present := make(map[string]bool, len(files))
	for _, f := range files {
		present[f.path] = true
		r, ok := u.records[f.path]
		if !ok || r.Size != f.size || r.ModTime != f.modTime || r.Seen-r.ModTime < int64(racyWindow) {
			todo = append(todo, f)
			continue
		}
		u.settled(r)
	}
	for _, path := range slices.Sorted(maps.Keys(u.records)) {
		r := u.records[path]
		if present[path] || u.options.Language != "" && r.Language != "" && r.Language != u.options.Language {
			continue
		}
		if r.Skipped == "" {
			u.summary.Removed++
		}
		u.remove(path)
	}
	return todo
}

// settled counts a file whose record holds.
func (u *update) settled(r FileRecord) {
	switch {
	case r.Skipped != "":
		u.summary.Skipped[r.Skipped]++
	case u.options.Language != "" && r.Language != u.options.Language:
		u.summary.Skipped[SkipOtherLanguage]++
	default:
		u.summary.Unchanged++
	}
}

func (u *update) remove(path string) {
	delete(u.records, path)
	u.batch.Remove = append(u.batch.Remove, path)
	u.dirty = true
}

// readAll reads, cuts and tokenizes files on all cores, and takes over the results one by one.
func (u *update) readAll(ctx context.Context, todo []found) error {
	if len(todo) == 0 {
		return nil
	}
	root, err := os.OpenRoot(u.root)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // opened to read
	group, ctx := errgroup.WithContext(ctx)
	work := make(chan found)
	results := make(chan read, batchFiles/2) // what workers do while a batch is committed
	group.Go(func() error {
		defer close(work)
		for _, f := range todo {
			select {
			case work <- f:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	// The records are only changed by the goroutine that takes over results: workers look into a copy.
	known := maps.Clone(u.records)
	workers, wctx := errgroup.WithContext(ctx)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() error {
			w := worker{
				root: root, tokenizer: newTokenizer(), language: u.options.Language, keys: u.embedder != nil,
			}
			for f := range work {
				r, err := w.read(wctx, f, known[f.path])
				if err != nil {
					return err
				}
				select {
				case results <- r:
				case <-wctx.Done():
					return wctx.Err()
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(results)
		return workers.Wait()
	})
	group.Go(func() error {
		for r := range results {
			if err := u.take(ctx, r); err != nil {
				return err
			}
			u.done++
			u.progress(r.record.Path)
		}
		return nil
	})
	return group.Wait()
}

func (u *update) progress(message string) {
	if u.options.Progress != nil {
		u.options.Progress(u.done, u.total, message)
	}
}

// take puts the result of one file into the batch.
func (u *update) take(ctx context.Context, r read) error {
	path := r.record.Path
	old, known := u.records[path]
	if r.err != nil {
		u.summary.Failed++
		if len(u.summary.Failures) < maxFailures {
			u.summary.Failures = append(u.summary.Failures, path+": "+r.err.Error())
		}
		if known {
			u.remove(path)
		}
		return nil
	}
	if r.same {
		r.record.FirstID, r.record.Chunks, r.record.Language, r.record.Skipped = old.FirstID, old.Chunks, old.Language, old.Skipped
		u.settled(r.record)
		if old.Size == r.record.Size && old.ModTime == r.record.ModTime {
			return nil // only looked at because of the racy window: not worth writing
		}
		// The chunks stay: only the record is replaced.
		u.records[path] = r.record
		u.batch.Put = append(u.batch.Put, r.record)
		u.dirty = true
		return u.commitFull(ctx)
	}
	switch {
	case r.record.Skipped == SkipOtherLanguage:
		// Only the restriction of this update keeps the file out: that is nothing to remember.
		u.summary.Skipped[SkipOtherLanguage]++
		if known && old.Language == u.options.Language {
			u.summary.Removed++
			u.remove(path)
		}
		return nil
	case r.record.Skipped != "":
		u.summary.Skipped[r.record.Skipped]++
		if known && old.Skipped == "" {
			u.summary.Removed++
		}
	case known && old.Skipped == "":
		u.summary.Modified++
	default:
		u.summary.Added++
	}
	r.record.FirstID, r.record.Chunks = u.nextID, len(r.chunks)
	for i := range r.chunks {
		r.chunks[i].ID = u.nextID
		u.terms.add(u.nextID, r.terms[i])
		u.nextID++
		if u.embedder != nil {
			u.want(&r.chunks[i])
		}
	}
	u.records[path] = r.record
	u.batch.Put = append(u.batch.Put, r.record)
	u.batch.Chunks = append(u.batch.Chunks, r.chunks...)
	u.bytes += r.bytes
	u.dirty = true
	return u.commitFull(ctx)
}

func (u *update) commitFull(ctx context.Context) error {
	if len(u.batch.Put) < batchFiles && u.bytes < batchBytes && len(u.toEmbed) < batchVectors {
		return nil
	}
	return u.commit(ctx)
}

func (u *update) commit(ctx context.Context) error {
	if len(u.batch.Put)+len(u.batch.Remove) == 0 {
		return nil
	}
	if err := u.embed(ctx); err != nil {
		return err
	}
	if err := u.writer.Commit(ctx, u.batch); err != nil {
		return err
	}
	u.batch, u.bytes = Batch{}, 0
	return nil
}

// mergeTerms joins the terms of what was published, of what an earlier update left unpublished, and of this one.
func (u *update) mergeTerms(base *Base) (*lexical, error) {
	pending := newLexicalBuilder()
	tokens := newTokenizer()
	for i := range base.Pending {
		pending.add(base.Pending[i].ID, tokens.count(&base.Pending[i]))
	}
	pendingTerms, err := pending.build()
	if err != nil {
		return nil, err
	}
	newTerms, err := u.terms.build()
	if err != nil {
		return nil, err
	}
	u.terms = nil // the largest of what an update holds
	if len(u.published.ids)+len(pendingTerms.ids) == 0 {
		return newTerms, nil // each file was read once: nothing of it is gone
	}
	live := make([]bool, u.nextID)
	for _, r := range u.records {
		for id := r.FirstID; id < r.FirstID+uint32(r.Chunks); id++ {
			live[id] = true
		}
	}
	return mergeLexical(func(id uint32) bool { return int(id) < len(live) && live[id] }, u.published, pendingTerms, newTerms)
}
