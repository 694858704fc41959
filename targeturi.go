package holdfast

import "strings"

// normalizeURI prepares a URI for the comparison of htu (RFC 9449 section 4.3
// (9)): query and fragment are cut, then syntax-based and scheme-based
// normalisation (RFC 3986 sections 6.2.2 and 6.2.3). ok is false if it is not
// an absolute hierarchical URI; such a value equals nothing. A URI that is
// normal already is returned without allocation.
func normalizeURI(raw string) (normal string, ok bool) {
	s := withoutQuery(raw)
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || !isScheme(scheme) {
		return "", false
	}
	authority, path := rest, ""
	if j := strings.IndexByte(rest, '/'); j >= 0 {
		authority, path = rest[:j], rest[j:]
	}
	host, port, ok := splitPort(authority)
	if !ok {
		return "", false
	}
	lower := lowerASCII(scheme)
	if port != "" && isDefaultPort(lower, port[1:]) {
		port = ""
	}
	lhost := lowerASCII(host)
	npath := normalizePath(path)
	if lower == scheme && lhost == host && len(host)+len(port) == len(authority) && npath == path {
		return s, true
	}
	return lower + "://" + lhost + port + npath, true
}

// originOf returns the scheme and authority of a normalised URI, "" of "".
func originOf(normal string) string {
	i := strings.Index(normal, "://") + len("://")
	if i < len("://") {
		return ""
	}
	if j := strings.IndexByte(normal[i:], '/'); j >= 0 {
		return normal[:i+j]
	}
	return normal
}

// splitPort returns host and ":port"; an empty port is no port. ok is false if
// there is no host, a port that is no number, or user information.
func splitPort(authority string) (host, port string, ok bool) {
	host = authority
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && strings.IndexByte(authority[i:], ']') < 0 {
		host, port = authority[:i], authority[i:]
	}
	for i := 1; i < len(port); i++ {
		if port[i] < '0' || port[i] > '9' {
			return "", "", false
		}
	}
	if port == ":" {
		port = ""
	}
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' { // IPv6 literal
		return host, port, !strings.ContainsAny(host[1:n-1], "@[]")
	}
	return host, port, host != "" && !strings.ContainsAny(host, ":@[]")
}

// isScheme is RFC 3986 section 3.1.
func isScheme(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i] | 0x20 // lower case of a letter; no other scheme character becomes one
		if c >= 'a' && c <= 'z' || i > 0 && (s[i] >= '0' && s[i] <= '9' || s[i] == '+' || s[i] == '-' || s[i] == '.') {
			continue
		}
		return false
	}
	return s != ""
}

// lowerASCII leaves everything but A-Z alone: strings.ToLower would make an
// ASCII letter of some that are none, such as the Kelvin sign.
func lowerASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] >= 'A' && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if b[i] >= 'A' && b[i] <= 'Z' {
					b[i] |= 0x20
				}
			}
			return string(b)
		}
	}
	return s
}

func isDefaultPort(scheme, port string) bool {
	return scheme == "https" && port == "443" || scheme == "http" && port == "80"
}

// normalizePath decodes percent-encoded unreserved characters, writes hex
// digits in upper case, removes dot segments and turns "" into "/".
func normalizePath(p string) string {
	if p == "" {
		return "/"
	}
	if strings.IndexByte(p, '%') >= 0 {
		p = normalizePercent(p)
	}
	if strings.Contains(p, "/.") {
		p = removeDotSegments(p)
	}
	return p
}

func normalizePercent(p string) string {
	var b strings.Builder
	b.Grow(len(p))
	for i := 0; i < len(p); i++ {
		if p[i] != '%' {
			b.WriteByte(p[i])
			continue
		}
		if i+2 >= len(p) || !isHex(p[i+1]) || !isHex(p[i+2]) {
			b.WriteString("%25") // a stray "%" must not become the start of an encoding: "%%370"
			continue
		}
		c := unhex(p[i+1])<<4 | unhex(p[i+2])
		if isUnreserved(c) {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + strings.ToUpper(p[i+1:i+3]))
		}
		i += 2
	}
	return b.String()
}

// removeDotSegments is RFC 3986 section 5.2.4 for an absolute path.
func removeDotSegments(p string) string {
	segments := strings.Split(p[1:], "/")
	out := make([]string, 0, len(segments))
	for i, s := range segments {
		last := i == len(segments)-1
		switch s {
		case ".":
			if last {
				out = append(out, "")
			}
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
			if last {
				out = append(out, "")
			}
		default:
			out = append(out, s)
		}
	}
	return "/" + strings.Join(out, "/")
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	default:
		return c - 'a' + 10
	}
}

// isUnreserved is RFC 3986 section 2.3.
func isUnreserved(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '.' || c == '_' || c == '~'
}
