package llm

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// tensor is one of a safetensors file (github.com/huggingface/safetensors): eight bytes with the length of a JSON header, the header, then
// the values of all tensors.
type tensor struct {
	Type    string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets []uint64 `json:"data_offsets"`
	data    []byte
}

var errSafetensors = errors.New("it is not a safetensors file")

// parseSafetensors returns the tensors of a file by name. They share memory with data.
func parseSafetensors(data []byte) (map[string]tensor, error) {
	if len(data) < 8 {
		return nil, errSafetensors
	}
	n := binary.LittleEndian.Uint64(data)
	if n > uint64(len(data)-8) {
		return nil, errSafetensors
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data[8:8+n], &raw); err != nil {
		return nil, errSafetensors
	}
	values := data[8+n:]
	out := map[string]tensor{}
	for name, text := range raw {
		if name == "__metadata__" {
			continue
		}
		var t tensor
		if err := json.Unmarshal(text, &t); err != nil || len(t.Offsets) != 2 ||
			t.Offsets[0] > t.Offsets[1] || t.Offsets[1] > uint64(len(values)) {
			return nil, errSafetensors
		}
		t.data = values[t.Offsets[0]:t.Offsets[1]]
		out[name] = t
	}
	return out, nil
}

// floats returns the values of a tensor of numbers.
func (t tensor) floats() ([]float32, error) {
	size := map[string]int{"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4}[t.Type]
	if size == 0 {
		return nil, fmt.Errorf("values of type %q cannot be read: store the model as F32 or F16", t.Type)
	}
	count := len(t.data) / size
	product := 1
	for _, n := range t.Shape {
		if n < 0 || n > 0 && product > count/n {
			return nil, errSafetensors
		}
		product *= n
	}
	if product != count || len(t.data)%size != 0 {
		return nil, errSafetensors
	}
	out := make([]float32, count)
	for i := range out {
		b := t.data[i*size:]
		switch t.Type {
		case "F64":
			out[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(b)))
		case "F32":
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b))
		case "F16":
			out[i] = half(binary.LittleEndian.Uint16(b))
		case "BF16":
			out[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16)
		case "I64":
			out[i] = float32(int64(binary.LittleEndian.Uint64(b)))
		case "I32":
			out[i] = float32(int32(binary.LittleEndian.Uint32(b)))
		}
	}
	return out, nil
}

// half reads an IEEE 754 binary16.
func half(h uint16) float32 {
	sign, exponent, fraction := float64(1), int(h>>10&31), float64(h&1023)
	if h>>15 == 1 {
		sign = -1
	}
	switch exponent {
	case 0:
		return float32(sign * math.Ldexp(fraction, -24))
	case 31:
		if fraction != 0 {
			return float32(math.NaN())
		}
		return float32(math.Inf(int(sign)))
	}
	return float32(sign * math.Ldexp(1024+fraction, exponent-25))
}
