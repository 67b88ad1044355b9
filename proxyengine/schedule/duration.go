package schedule

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

var units = []struct {
	name string
	size time.Duration
}{
	{"w", 7 * 24 * time.Hour},
	{"d", 24 * time.Hour},
	{"h", time.Hour},
	{"m", time.Minute},
	{"s", time.Second},
	{"ms", time.Millisecond},
}

// ParseDuration reads a length of time as it is written everywhere in fault: one or more numbers with a unit of w, d, h, m, s or
// ms ("10s", "1m30s", "2d", "1w", "500ms", "1.5s"), or a bare integer, which is seconds. Negative times are refused.
func ParseDuration(text string) (time.Duration, error) {
	rest := strings.ToLower(strings.TrimSpace(text))
	bad := fmt.Errorf("%q is no length of time: write 10s, 1m30s, 500ms, 2h, 1d, 1w or a whole number of seconds", text)
	if rest == "" {
		return 0, bad
	}
	if seconds, err := strconv.ParseUint(rest, 10, 64); err == nil {
		return add(0, seconds, time.Second, text)
	}
	var sum time.Duration
	for rest != "" {
		n := strings.IndexFunc(rest, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
		if n <= 0 {
			return 0, bad
		}
		number := rest[:n]
		rest = rest[n:]
		size, name := unit(rest)
		if size == 0 {
			return 0, bad
		}
		rest = strings.TrimLeft(rest[len(name):], " ")
		whole, fraction, dotted := strings.Cut(number, ".")
		value, err := strconv.ParseUint(whole, 10, 64)
		if err != nil {
			return 0, bad
		}
		if sum, err = add(sum, value, size, text); err != nil {
			return 0, err
		}
		if !dotted {
			continue
		}
		part, ok := share(fraction, size)
		if !ok {
			return 0, bad
		}
		if sum, err = add(sum, uint64(part), 1, text); err != nil {
			return 0, err
		}
	}
	return sum, nil
}

// unit finds the unit at the start of text; "ms" before "m".
func unit(text string) (size time.Duration, name string) {
	if strings.HasPrefix(text, "ms") {
		return time.Millisecond, "ms"
	}
	for _, u := range units {
		if strings.HasPrefix(text, u.name) {
			return u.size, u.name
		}
	}
	return 0, ""
}

// share returns the decimal fraction 0.digits of size, in whole nanoseconds; ok is false when it is not a whole number of them.
func share(digits string, size time.Duration) (time.Duration, bool) {
	if digits == "" || len(digits) > 12 {
		return 0, false
	}
	numerator, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0, false
	}
	denominator := uint64(1)
	for range digits {
		denominator *= 10
	}
	high, low := bits.Mul64(numerator, uint64(size))
	quotient, remainder := bits.Div64(high, low, denominator)
	return time.Duration(quotient), remainder == 0
}

func add(sum time.Duration, value uint64, size time.Duration, text string) (time.Duration, error) {
	high, low := bits.Mul64(value, uint64(size))
	if high != 0 || low > uint64(forever-sum) {
		return 0, fmt.Errorf("%q is too long: the longest time is about 292 years", text)
	}
	return sum + time.Duration(low), nil
}

// FormatDuration writes d in the largest units that leave no fraction ("1m30s"), so that ParseDuration reads the same value.
// Below a millisecond it writes a decimal fraction of one. A negative d gets a minus sign, which ParseDuration refuses.
func FormatDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	rest := uint64(d)
	if d < 0 {
		b.WriteByte('-')
		rest = -rest
	}
	for _, u := range units {
		if n := rest / uint64(u.size); n > 0 && u.size != time.Millisecond {
			b.WriteString(strconv.FormatUint(n, 10) + u.name)
			rest %= uint64(u.size)
		}
	}
	if rest > 0 {
		b.WriteString(strconv.FormatUint(rest/uint64(time.Millisecond), 10))
		if nanos := rest % uint64(time.Millisecond); nanos > 0 {
			b.WriteString("." + strings.TrimRight(fmt.Sprintf("%06d", nanos), "0"))
		}
		b.WriteString("ms")
	}
	return b.String()
}
