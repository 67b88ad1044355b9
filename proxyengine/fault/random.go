package fault

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"strconv"
)

// draw returns the source of randomness for one purpose of one activation of one fault in one scope. Equal arguments give equal
// draws in every process; different ones give independent draws, because the hash spreads them over all seeds.
func draw(seed uint64, scope string, index int, epoch uint64, purpose string) *rand.Rand {
	key := strconv.FormatUint(seed, 16) + "\x00" + scope + "\x00" + strconv.Itoa(index) + "\x00" + uintText(epoch) + "\x00" + purpose
	sum := sha256.Sum256([]byte(key))
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum[:8]), binary.LittleEndian.Uint64(sum[8:16])))
}

func uintText(n uint64) string { return strconv.FormatUint(n, 10) }
