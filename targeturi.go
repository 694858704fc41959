package holdfast

import "strings"

// normalizeURI prepares a URI for the comparison of htu (RFC 9449 section 4.3
// (9)): query and fragment are cut, then syntax-based and scheme-based
// normalisation (RFC 3986 sections 6.2.2 and 6.2.3). ok is false if it is not
// an absolute hierarchical URI; such a value equals nothing. A URI that is
// normal already is returned without allocation.
func normalizeURI(raw string) (normal string, ok bool) {
	s := withoutQuery(raw)
	i := strings.Index(s, "://")
	if i <= 0 {
		return "", false
	}
	scheme, rest := s[:i], s[i+3:]
	authority, path := rest, ""
	if j := strings.IndexByte(rest, '/'); j >= 0 {
		authority, path = rest[:j], rest[j:]
	}
	if authority == "" || strings.IndexByte(authority, '@') >= 0 {
		return "", false
	}
	host, port := splitPort(authority)
	if host == "" {
		return "", false
	}
	lower := strings.ToLower(scheme)
	if port != "" && isDefaultPort(lower, port[1:]) {
		port = ""
	}
	lhost := strings.ToLower(host)
	npath := normalizePath(path)
	if lower == scheme && lhost == host && len(host)+len(port) == len(authority) && npath == path {
		return s, true
	}
	return lower + "://" + lhost + port + npath, true
}

// splitPort returns host and ":port"; an empty port is no port.
func splitPort(authority string) (host, port string) {
	i := strings.LastIndexByte(authority, ':')
	if i < 0 || strings.IndexByte(authority[i:], ']') >= 0 { // IPv6 literal without port
		return authority, ""
	}
	if i == len(authority)-1 {
		return authority[:i], ""
	}
	return authority[:i], authority[i:]
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
		if p[i] != '%' || i+2 >= len(p) || !isHex(p[i+1]) || !isHex(p[i+2]) {
			b.WriteByte(p[i])
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
