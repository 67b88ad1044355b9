package llm

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// maxWord is BERT's own limit of a word, in letters: the time that one takes grows with its square.
const maxWord = 100

// wordPiece is the tokenizer of BERT (Devlin et al., 2018), as a tokenizer.json of Hugging Face describes it.
type wordPiece struct {
	vocabulary      map[string]int
	prefix, unknown string
	longest         int // letters of a word
	lower, strip    bool
	chinese         bool
}

// parseTokenizer reads a tokenizer.json. Tokenizers of other kinds are refused.
func parseTokenizer(data []byte) (*wordPiece, error) {
	var file struct {
		Model struct {
			Type    string          `json:"type"`
			Unknown string          `json:"unk_token"`
			Prefix  string          `json:"continuing_subword_prefix"`
			Longest int             `json:"max_input_chars_per_word"`
			Vocab   json.RawMessage `json:"vocab"`
		} `json:"model"`
		Normalizer *struct {
			Type    string `json:"type"`
			Lower   bool   `json:"lowercase"`
			Strip   *bool  `json:"strip_accents"`
			Chinese bool   `json:"handle_chinese_chars"`
		} `json:"normalizer"`
		PreTokenizer *struct {
			Type string `json:"type"`
		} `json:"pre_tokenizer"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("it is not the description of a tokenizer: %w", err)
	}
	w := &wordPiece{prefix: file.Model.Prefix, unknown: file.Model.Unknown, longest: file.Model.Longest}
	switch {
	case file.Model.Type != "WordPiece":
		return nil, fmt.Errorf("tokenizers of type %q are not supported: use a model with a WordPiece tokenizer", file.Model.Type)
	case file.PreTokenizer == nil || file.PreTokenizer.Type != "BertPreTokenizer":
		return nil, errors.New("only the pre-tokenizer BertPreTokenizer is supported: use a model with that of BERT")
	case file.Normalizer == nil:
	case file.Normalizer.Type != "BertNormalizer":
		return nil, fmt.Errorf("the normalizer %q is not supported: use a model with BertNormalizer", file.Normalizer.Type)
	default:
		n := file.Normalizer
		w.lower, w.chinese, w.strip = n.Lower, n.Chinese, n.Lower
		if n.Strip != nil {
			w.strip = *n.Strip
		}
	}
	if err := json.Unmarshal(file.Model.Vocab, &w.vocabulary); err != nil || len(w.vocabulary) == 0 {
		return nil, errors.New("it has no vocabulary")
	}
	if w.longest <= 0 || w.longest > maxWord {
		w.longest = maxWord
	}
	return w, nil
}

// tokens returns the numbers of the pieces of a text, without those that are unknown.
func (w *wordPiece) tokens(text string) []int {
	if w.strip {
		text = norm.NFD.String(text)
	}
	if w.lower {
		text = strings.ToLower(text)
	}
	var out []int
	var word []rune
	flush := func() {
		out = w.word(out, word)
		word = word[:0]
	}
	for _, r := range text {
		switch {
		case unicode.IsSpace(r):
			flush()
		case r == 0 || r == unicode.ReplacementChar || unicode.Is(unicode.C, r) || w.strip && unicode.Is(unicode.Mn, r):
		case punctuation(r) || w.chinese && unicode.Is(unicode.Han, r):
			flush()
			out = w.word(out, []rune{r})
		default:
			word = append(word, r)
		}
	}
	flush()
	return out
}

// punctuation is what BERT takes for it: of ASCII all that is neither letter nor digit.
func punctuation(r rune) bool {
	return r > ' ' && r < 0x7f && !unicode.IsLetter(r) && !unicode.IsDigit(r) || unicode.IsPunct(r)
}

// word appends the pieces of one word: the longest that is known, then again from there. One that cannot be cut up is unknown as a whole.
func (w *wordPiece) word(out []int, word []rune) []int {
	if len(word) == 0 || len(word) > w.longest {
		return out
	}
	before := len(out)
	for start := 0; start < len(word); {
		end := len(word)
		for ; end > start; end-- {
			piece := string(word[start:end])
			if start > 0 {
				piece = w.prefix + piece
			}
			if id, ok := w.vocabulary[piece]; ok && piece != w.unknown {
				out = append(out, id)
				break
			}
		}
		if end == start {
			return out[:before]
		}
		start = end
	}
	return out
}
