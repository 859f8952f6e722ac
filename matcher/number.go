package matcher

import (
	"math"
	"strconv"
)

// number is a JSON number as numeric comparison sees it. Only numbers that a double holds exactly as they are written take
// part: 0.1 does, 9007199254740993 and 1e400 don't. "Exactly" means that the decimal value is that of the shortest form that
// reads back as the same double. So every comparable number but one has a double to itself, and comparing doubles compares
// the decimal values. The one is the smallest double above zero and its negative, which older printers call 4.9e-324: that
// spelling counts as 5e-324.
type number struct {
	double     float64
	comparable bool
}

// parseNumber judges a valid JSON number. Neither digits nor exponent are ever written out: 1e999999999 costs no more than 1.
func parseNumber(text string) number {
	if n, ok := smallDecimal(text); ok {
		return number{double: n, comparable: true}
	}
	d := parseDecimal(text)
	if d.significant == 0 {
		return number{comparable: true} // all zeros are one, also -0
	}
	// Beyond these no shortest form can agree. The exponent is bounded before it is given to strconv, which would believe
	// in no more than five digits of it.
	if d.significant > doubleDigits || d.exponent > 310 || d.exponent < -330 {
		return number{}
	}
	var memory [32]byte
	double, err := strconv.ParseFloat(string(d.append(memory[:0])), 64)
	if err != nil {
		return number{}
	}
	shortest := string(strconv.AppendFloat(memory[:0], double, 'e', -1, 64))
	if parseDecimal(shortest) != d && !(math.Abs(double) == math.SmallestNonzeroFloat64 && d.smallestOldSpelling()) {
		return number{}
	}
	return number{double: double, comparable: true}
}

// smallDecimal reads a number without an exponent that has at most 15 digits, which is what most numbers are. Those digits are an
// integer that a double holds, and so is the power of ten; so their quotient is the double nearest to the number. And of up to 15
// digits no two numbers have the same double, so that its shortest form is the number.
func smallDecimal(text string) (float64, bool) {
	digits := text
	if digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) > 16 {
		return 0, false
	}
	n, count, behind := 0, 0, -1 // behind the point, if there is one
	for i := range len(digits) {
		switch c := digits[i]; {
		case '0' <= c && c <= '9':
			n = n*10 + int(c-'0')
			count++
		case c == '.':
			behind = len(digits) - i - 1
		default:
			return 0, false
		}
	}
	if count > 15 {
		return 0, false
	}
	if len(digits) < len(text) {
		n = -n
	}
	if behind > 0 {
		return float64(n) / powersOfTen[behind], true
	}
	return float64(n), true
}

var powersOfTen = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// doubleDigits is how many digits the shortest form of a double has at most.
const doubleDigits = 17

// decimal is a number by its value: 0.digits times ten to the exponent. Equal values are equal decimals, as long as there are
// at most 17 significant digits; of longer ones only their count is right.
type decimal struct {
	digits      [doubleDigits]byte // without leading zeros; behind the last significant one all 0
	significant int                // digits without leading and trailing zeros; 0 for zero
	exponent    int64
	negative    bool
}

func (d *decimal) smallestOldSpelling() bool {
	return d.significant == 2 && d.digits[0] == '4' && d.digits[1] == '9' && d.exponent == -323
}

func (d *decimal) append(b []byte) []byte {
	if d.negative {
		b = append(b, '-')
	}
	b = append(b, "0."...)
	b = append(b, d.digits[:min(d.significant, doubleDigits)]...)
	b = append(b, 'e')
	return strconv.AppendInt(b, d.exponent, 10)
}

func parseDecimal(text string) decimal {
	var d decimal
	i, pointSeen, digits := 0, false, 0
	if text[0] == '-' {
		d.negative, i = true, 1
	}
mantissa:
	for ; i < len(text); i++ {
		switch c := text[i]; {
		case c == '.':
			pointSeen = true
		case c < '0' || c > '9':
			break mantissa
		case digits == 0 && c == '0':
			if pointSeen {
				d.exponent--
			}
		default:
			digits++
			if c != '0' {
				d.significant = digits
				if digits <= doubleDigits {
					d.digits[digits-1] = c
				}
			}
			if !pointSeen {
				d.exponent++
			}
		}
	}
	if d.significant == 0 {
		return decimal{}
	}
	// A zero between two significant digits was passed over; a zero byte marks only what is behind the last.
	for j := range min(d.significant, doubleDigits) {
		if d.digits[j] == 0 {
			d.digits[j] = '0'
		}
	}
	if i < len(text) {
		d.exponent += parseExponent(text[i+1:])
	}
	return d
}

// parseExponent reads the digits behind the e. What doesn't fit is cut to something that is out of any double's range even
// after the longest mantissa that fits into memory has been counted against it.
func parseExponent(text string) int64 {
	const huge = math.MaxInt64 / 4
	negative := false
	if text[0] == '+' || text[0] == '-' {
		negative, text = text[0] == '-', text[1:]
	}
	exponent := int64(0)
	for i := range len(text) {
		if exponent < huge/10 {
			exponent = exponent*10 + int64(text[i]-'0')
		} else {
			exponent = huge
			break
		}
	}
	if negative {
		return -exponent
	}
	return exponent
}
