package jose

// maxDER is the longest ECDSA signature in DER, of P-521: two integers with sign octet and their headers.
const maxDER = 3 + 2*(2+1+maxCoordinate)

// appendDER appends SEQUENCE { INTEGER r, INTEGER s }, the form that crypto/ecdsa takes. JWS has r and s side by side
// (RFC 7518 3.4). Both are big endian and not zero.
func appendDER(dst, r, s []byte) []byte {
	r, s = trim(r), trim(s)
	size := 4 + derLen(r) + derLen(s)
	dst = append(dst, 0x30)
	if size > 127 {
		dst = append(dst, 0x81)
	}
	dst = append(dst, byte(size))
	return appendInteger(appendInteger(dst, r), s)
}

func appendInteger(dst, v []byte) []byte {
	dst = append(dst, 0x02, byte(derLen(v)))
	if v[0] >= 0x80 { // DER integers are signed
		dst = append(dst, 0)
	}
	return append(dst, v...)
}

func derLen(v []byte) int { return len(v) + int(v[0]>>7) }

// trim takes leading zeros off, but leaves one octet.
func trim(v []byte) []byte {
	for len(v) > 1 && v[0] == 0 {
		v = v[1:]
	}
	return v
}

// splitDER writes the two integers of a DER signature side by side, each of size octets. It is for what a signer
// returned, software or device, and takes DER only.
func splitDER(der []byte, size int) ([]byte, bool) {
	body, rest, ok := element(der, 0x30)
	if !ok || len(rest) != 0 {
		return nil, false
	}
	out := make([]byte, 2*size)
	for half := range 2 {
		var v []byte
		if v, body, ok = element(body, 0x02); !ok || len(v) == 0 || v[0] >= 0x80 {
			return nil, false
		}
		if v = trim(v); len(v) > size {
			return nil, false
		}
		end := (half + 1) * size
		copy(out[end-len(v):end], v)
	}
	return out, len(body) == 0
}

// element takes one element with the tag, of at most 255 octets, off der.
func element(der []byte, tag byte) (body, rest []byte, ok bool) {
	if len(der) < 2 || der[0] != tag {
		return nil, nil, false
	}
	size, head := int(der[1]), 2
	if size == 0x81 && len(der) > 2 {
		size, head = int(der[2]), 3
	} else if size > 127 {
		return nil, nil, false
	}
	if len(der) < head+size {
		return nil, nil, false
	}
	return der[head : head+size], der[head+size:], true
}
