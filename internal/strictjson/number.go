package strictjson

import (
	"math"
	"strconv"
)

// maxSeconds is the largest magnitude of [Value.Seconds]: what every JSON reader can hold exactly (RFC 8259 6).
const maxSeconds = 1 << 53

// Number returns the text of a JSON number as written.
func (v Value) Number() (string, bool) {
	if v.kind != Number {
		return "", false
	}
	return v.raw, true
}

// Int returns a JSON number whose value is an integer that fits. The notation does not matter: 5, 5.0, 50e-1 and 5e0
// are all five, 5.5 is not ok. Nothing is rounded.
func (v Value) Int() (int64, bool) {
	if v.kind != Number {
		return 0, false
	}
	d, ok := readDecimal(v.raw)
	switch {
	case !ok || d.fraction:
		return 0, false
	case d.negative && d.whole <= 1<<63:
		return -int64(d.whole), true // -(1<<63) wraps onto itself, which is the right value
	case !d.negative && d.whole <= math.MaxInt64:
		return int64(d.whole), true
	}
	return 0, false
}

// Seconds returns a NumericDate (RFC 7519 2), which may have a fraction, as whole seconds rounded down.
// Values beyond 1<<53 either way are not ok: they are no dates, and sums with them could overflow.
func (v Value) Seconds() (int64, bool) {
	if v.kind != Number {
		return 0, false
	}
	d, ok := readDecimal(v.raw)
	if !ok || d.whole > maxSeconds || d.whole == maxSeconds && d.fraction {
		return 0, false
	}
	whole := int64(d.whole)
	switch {
	case d.negative && d.fraction:
		return -whole - 1, true
	case d.negative:
		return -whole, true
	}
	return whole, true
}

// Float returns a JSON number as the nearest float64; one that is out of range is not ok.
func (v Value) Float() (float64, bool) {
	if v.kind != Number {
		return 0, false
	}
	f, err := strconv.ParseFloat(v.raw, 64)
	return f, err == nil
}

// decimal is a number split at the decimal point, without rounding.
type decimal struct {
	negative bool
	whole    uint64
	fraction bool // something other than zero follows the point
}

// readDecimal splits the text of a number. It is not ok when the whole part does not fit. Its time is linear in the
// text, whatever the exponent says.
func readDecimal(text string) (d decimal, ok bool) {
	if text[0] == '-' {
		d.negative, text = true, text[1:]
	}
	mantissa, point, exponent := splitNumber(text)
	point += exponent // digits before this index are the whole part
	seen := 0
	for i := range len(mantissa) {
		if mantissa[i] == '.' {
			continue
		}
		digit := uint64(mantissa[i] - '0')
		switch {
		case seen >= point:
			d.fraction = d.fraction || digit != 0
		case d.whole > (math.MaxUint64-digit)/10:
			return d, false
		default:
			d.whole = d.whole*10 + digit
		}
		seen++
	}
	for ; seen < point && d.whole != 0; seen++ {
		if d.whole > math.MaxUint64/10 {
			return d, false
		}
		d.whole *= 10
	}
	return d, true
}

// splitNumber returns the digits with their point, the number of digits before the point, and the exponent.
func splitNumber(text string) (mantissa string, point, exponent int) {
	mantissa, point = text, -1
	for i := range len(text) {
		switch text[i] {
		case '.':
			point = i
		case 'e', 'E':
			mantissa, exponent = text[:i], readExponent(text[i+1:])
		}
	}
	if point < 0 {
		point = len(mantissa)
	}
	return mantissa, point, exponent
}

// readExponent reads a signed number, held at a magnitude beyond which the text could not make up for it.
func readExponent(text string) int {
	sign := 1
	if text[0] == '-' {
		sign = -1
	}
	e := 0
	for i := range len(text) {
		if isDigit(text[i]) && e < 1<<27 {
			e = e*10 + int(text[i]-'0')
		}
	}
	return sign * e
}
