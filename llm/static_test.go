package llm

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const tinyTokenizer = `{"normalizer":{"type":"BertNormalizer","lowercase":true,"strip_accents":null,"handle_chinese_chars":true},
"pre_tokenizer":{"type":"BertPreTokenizer"},"model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##",
"max_input_chars_per_word":20,"vocab":{"[UNK]":0,"re":1,"##try":2,"cafe":3,"(":4,"retrying":5}}}`

// tinyModel has the rows (n, -n) for token n.
func tinyModel(t testing.TB, kind string) []byte {
	t.Helper()
	var data []byte
	for n := range 6 {
		for _, v := range []float32{float32(n), -float32(n)} {
			switch kind {
			case "F32":
				data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
			case "BF16":
				data = binary.LittleEndian.AppendUint16(data, uint16(math.Float32bits(v)>>16))
			}
		}
	}
	header, err := json.Marshal(map[string]any{
		"__metadata__": map[string]string{"format": "pt"},
		"embeddings":   map[string]any{"dtype": kind, "shape": []int{6, 2}, "data_offsets": []int{0, len(data)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header, data)
}

func writeModel(t *testing.T, model []byte, tokenizer string) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string][]byte{staticModelFile: model, staticWordsFile: []byte(tokenizer)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestStatic(t *testing.T) {
	for _, kind := range []string{"F32", "BF16"} {
		e, err := NewStatic(writeModel(t, tinyModel(t, kind), tinyTokenizer))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := e.Dimension(t.Context()); n != 2 || err != nil {
			t.Fatalf("dimension %d, %v", n, err)
		}
		got, err := e.Embed(t.Context(), []string{"Retry", "CAFÉ(", "zebra", "retrying zebra", ""})
		want := [][]float32{{1.5, -1.5}, {3.5, -3.5}, {0, 0}, {5, -5}, {0, 0}}
		if err != nil || !slices.EqualFunc(got, want, slices.Equal[[]float32]) {
			t.Errorf("%s: %v, %v", kind, got, err)
		}
		other, err := NewStatic(writeModel(t, tinyModel(t, kind), tinyTokenizer))
		if err != nil || other.Name() != e.Name() || !strings.HasPrefix(e.Name(), "static:") {
			t.Errorf("names %q, %q, %v", e.Name(), other.Name(), err)
		}
	}
}

func TestStaticRefuses(t *testing.T) {
	if _, err := NewStatic(t.TempDir()); err == nil || !strings.Contains(err.Error(), staticModelFile) {
		t.Errorf("an empty folder: %v", err)
	}
	for says, files := range map[string][2]string{
		"not a safetensors file": {"short", tinyTokenizer},
		"WordPiece":              {string(tinyModel(t, "F32")), strings.Replace(tinyTokenizer, "WordPiece", "Unigram", 1)},
		"BertPreTokenizer":       {string(tinyModel(t, "F32")), strings.Replace(tinyTokenizer, "BertPreTokenizer", "Metaspace", 1)},
		"BertNormalizer":         {string(tinyModel(t, "F32")), strings.Replace(tinyTokenizer, "BertNormalizer", "Precompiled", 1)},
		"embeddings":             {strings.Replace(string(tinyModel(t, "F32")), "embeddings", "embeddinks", 1), tinyTokenizer},
	} {
		e, err := NewStatic(writeModel(t, []byte(files[0]), files[1]))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Dimension(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
		if _, err := e.Embed(t.Context(), []string{"a"}); err == nil {
			t.Errorf("%s: it embeds", says)
		}
	}
}

func TestHalf(t *testing.T) {
	for bits, want := range map[uint16]float32{0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x0001: 5.9604645e-8, 0x3555: 0.33325195} {
		if got := half(bits); got != want {
			t.Errorf("%#x: %v, want %v", bits, got, want)
		}
	}
}

func FuzzSafetensors(f *testing.F) {
	f.Add(tinyModel(f, "F32"))
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255})
	f.Fuzz(func(_ *testing.T, data []byte) {
		s := &staticData{tokenizer: &wordPiece{vocabulary: map[string]int{"a": 1}, longest: 9}}
		if s.read(data) == nil {
			s.embed("a")
		}
	})
}

func FuzzTokenizer(f *testing.F) {
	f.Add([]byte(tinyTokenizer), "Retry café")
	f.Fuzz(func(_ *testing.T, data []byte, text string) {
		if w, err := parseTokenizer(data); err == nil {
			w.tokens(text)
		}
	})
}
