package explain

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
)

// curlCommand is what a command line says about its request.
type curlCommand struct {
	method string
	urls   []string
	header []harField
	agent  string
	user   string
	bearer string
	cookie string
	refer  string
	body   []byte
	data   bool // some option gives a body
	json   bool
	get    bool // -G: data goes to the query
	head   bool
	form   bool
	upload bool
}

// curlUnknown stands for a value that the shell would have put in: it is
// unknown, as a redacted one is.
const curlUnknown = "[REDACTED shell expansion]"

// curlTakesValue are the options with an argument that says nothing here.
const curlTakesValue = ` --output --proxy --cacert --cert --key --cert-type --key-type --pass --connect-timeout ` +
	`--max-time --retry --retry-delay --retry-max-time --resolve --connect-to --interface --write-out --config --ciphers ` +
	`--tls-max --tls13-ciphers --aws-sigv4 --dump-header --trace --trace-ascii --stderr --max-redirs --noproxy --proxy-user ` +
	`--unix-socket --abstract-unix-socket --limit-rate --range --time-cond --dns-servers --doh-url --engine --pinnedpubkey ` +
	`--capath --crlfile --local-port --keepalive-time --proto --proto-default --proto-redir --request-target --variable ` +
	`--cookie-jar --speed-limit --speed-time --continue-at --proxy-header --proxy-cert --proxy-key --proxy-cacert --socks5 ` +
	`--socks5-hostname --socks4 --socks4a --preproxy --curves --rate --max-filesize --netrc-file --hsts --alt-svc --ech ` +
	`--output-dir --etag-save --etag-compare --happy-eyeballs-timeout-ms --expect100-timeout --delegation --service-name ` +
	`--tlsuser --tlspassword --tlsauthtype --login-options --mail-from --mail-rcpt --quote --telnet-option --libcurl ` +
	`-o -x -E -m -w -K -c -D -r -z -C -y -Y -Q -t -P -U `

// parseCurlCommand reads a command line as a shell would split it.
func parseCurlCommand(text string) *curlCommand {
	c := &curlCommand{}
	words := curlWords(text)
	if len(words) > 0 {
		words = words[1:]
	}
	for i := 0; i < len(words); i++ {
		w := words[i]
		next := func() string {
			if i+1 < len(words) {
				i++
				return words[i]
			}
			return ""
		}
		switch {
		case w == "--":
		case strings.HasPrefix(w, "--"):
			name, value, glued := strings.Cut(w, "=")
			if glued {
				c.option(name, func() string { return value })
			} else {
				c.option(name, next)
			}
		case strings.HasPrefix(w, "-") && len(w) > 1:
			c.short(w, next)
		default:
			c.urls = append(c.urls, w)
		}
	}
	for i := range c.urls {
		c.urls[i] = c.address(c.urls[i])
	}
	return c
}

// short reads a group of one-letter options; the rest of the group can be the
// argument of one.
func (c *curlCommand) short(w string, next func() string) {
	for j := 1; j < len(w); j++ {
		name := "-" + w[j:j+1]
		if !strings.Contains("XHdAebuFTo"+"xEmwKcDrzCyYQtPU", w[j:j+1]) {
			c.option(name, next)
			continue
		}
		if rest := w[j+1:]; rest != "" {
			c.option(name, func() string { return strings.TrimPrefix(rest, "=") })
		} else {
			c.option(name, next)
		}
		return
	}
}

func (c *curlCommand) option(name string, value func() string) {
	switch name {
	case "-X", "--request":
		c.method = value()
	case "-H", "--header":
		n, v, ok := strings.Cut(value(), ":")
		if !ok {
			n = strings.TrimSuffix(n, ";")
		}
		c.header = append(c.header, harField{n, strings.TrimSpace(v)})
	case "-d", "--data", "--data-ascii", "--data-binary":
		c.addData(curlFile(value()), "&")
	case "--data-raw":
		c.addData(value(), "&")
	case "--data-urlencode":
		c.addData(curlEncode(value()), "&")
	case "--json":
		c.json = true
		c.addData(curlFile(value()), "")
	case "-F", "--form", "--form-string":
		_ = value()
		c.form = true
	case "-T", "--upload-file":
		_ = value()
		c.upload = true
	case "--url":
		c.urls = append(c.urls, value())
	case "-G", "--get":
		c.get = true
	case "-I", "--head":
		c.head = true
	case "-u", "--user":
		c.user = value()
	case "--oauth2-bearer":
		c.bearer = value()
	case "-A", "--user-agent":
		c.agent = value()
	case "-e", "--referer":
		c.refer = value()
	case "-b", "--cookie":
		c.cookie = value()
	default:
		if strings.Contains(curlTakesValue, " "+name+" ") {
			_ = value()
		}
	}
}

// curlFile: data that begins with '@' comes from a file that is not here.
func curlFile(s string) string {
	if strings.HasPrefix(s, "@") {
		return "[REDACTED file contents]"
	}
	return s
}

// curlEncode does what --data-urlencode does.
func curlEncode(s string) string {
	name, value, ok := strings.Cut(s, "=")
	switch {
	case ok && name == "":
		return url.QueryEscape(value)
	case ok:
		return name + "=" + url.QueryEscape(value)
	}
	if name, _, ok = strings.Cut(s, "@"); ok {
		return name + "=[REDACTED file contents]"
	}
	return url.QueryEscape(s)
}

func (c *curlCommand) addData(s, sep string) {
	if c.data && len(c.body) < curlLineKept {
		c.body = append(c.body, sep...)
	}
	c.data = true
	c.body = append(c.body, s...)
}

// verb is the method that curl chooses.
func (c *curlCommand) verb() string {
	switch {
	case c.method != "":
		return c.method
	case c.head:
		return http.MethodHead
	case c.upload:
		return http.MethodPut
	case (c.data || c.form) && !c.get:
		return http.MethodPost
	}
	return http.MethodGet
}

// fields are the header fields that the command alone tells.
func (c *curlCommand) fields() []harField {
	var out []harField
	has := func(name string) bool {
		for _, f := range c.header {
			if strings.EqualFold(f.Name, name) {
				return true
			}
		}
		return false
	}
	add := func(name, value string) {
		if value != "" && !has(name) {
			out = append(out, harField{name, value})
		}
	}
	switch {
	case c.json:
		add("Content-Type", "application/json")
		add("Accept", "application/json")
	case c.data && !c.get:
		add("Content-Type", "application/x-www-form-urlencoded")
	}
	if c.bearer != "" {
		add("Authorization", "Bearer "+c.bearer)
	} else if c.user != "" {
		add("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(c.user)))
	}
	add("User-Agent", c.agent)
	add("Referer", c.refer)
	if strings.Contains(c.cookie, "=") {
		add("Cookie", c.cookie)
	}
	for _, f := range c.header {
		if f.Value != "" { // "Name:" removes a field
			out = append(out, f)
		}
	}
	return out
}

// address completes a URL of the command: scheme, path, query of -G; user and
// fragment are not sent.
func (c *curlCommand) address(s string) string {
	s, _, _ = strings.Cut(s, "#")
	base, path := curlSplitURL(s)
	if scheme, host, ok := strings.Cut(base, "://"); ok {
		if i := strings.LastIndexByte(host, '@'); i >= 0 {
			if c.user == "" {
				c.user = host[:i]
			}
			base = scheme + "://" + host[i+1:]
		}
	}
	if c.get && c.data {
		if strings.Contains(path, "?") {
			path += "&" + string(c.body)
		} else {
			path += "?" + string(c.body)
		}
	}
	return base + path
}

// curlSplitURL splits a URL before its path. curl takes a URL without scheme
// for http.
func curlSplitURL(s string) (base, path string) {
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	i := strings.Index(s, "://") + 3
	if j := strings.IndexAny(s[i:], "/?"); j >= 0 {
		base, path = s[:i+j], s[i+j:]
	} else {
		base = s
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return base, path
}

// curlContinues reads one line of a command. open is the quote that the line
// begins in, 0 for none; it returns the quote that the line ends in, and
// whether the command goes on: an open quote or a continuation sign at the end.
func curlContinues(open byte, text string) (byte, bool) {
	for i := 0; i < len(text); i++ {
		switch ch := text[i]; {
		case ch == '\\' && open != '\'':
			i++
			if i >= len(text) {
				return open, true
			}
		case open == 0 && (ch == '\'' || ch == '"'):
			open = ch
			if ch == '\'' && i > 0 && text[i-1] == '$' {
				open = '$'
			}
		case ch == open || open == '$' && ch == '\'':
			open = 0
		}
	}
	return open, open != 0 || strings.HasSuffix(text, "^") || strings.HasSuffix(text, "`")
}

// curlWords splits a command as a POSIX shell does, up to an operator.
// Expansions give a marked value: what they stood for is unknown.
func curlWords(text string) []string {
	var out []string
	var word strings.Builder
	started := false
	flush := func() {
		if started {
			out = append(out, word.String())
		}
		word.Reset()
		started = false
	}
	for i := 0; i < len(text); i++ {
		switch ch := text[i]; ch {
		case ' ', '\t', '\n', '\r':
			flush()
		case '|', ';', '&', '<', '>':
			if strings.TrimLeft(word.String(), "0123456789") == "" { // the number of 2>&1
				word.Reset()
				started = false
			}
			flush()
			return out
		case '^', '`':
			if i+1 < len(text) && text[i+1] == '\n' { // continuation of other shells
				i++
				continue
			}
			started = true
			word.WriteByte(ch)
		case '\\':
			if i+1 < len(text) {
				i++
				if text[i] != '\n' {
					started = true
					word.WriteByte(text[i])
				}
			}
		case '\'':
			started = true
			n := strings.IndexByte(text[i+1:], '\'')
			if n < 0 {
				n = len(text) - i - 1
			}
			word.WriteString(text[i+1 : i+1+n])
			i += n + 1
		case '"':
			started = true
			i = curlDouble(text, i+1, &word)
		case '$':
			started = true
			if i+1 < len(text) && text[i+1] == '\'' {
				i = curlANSI(text, i+2, &word)
				continue
			}
			i = curlExpansion(text, i, &word)
		default:
			started = true
			word.WriteByte(ch)
		}
	}
	flush()
	return out
}

// curlDouble reads a double-quoted part and returns the index of its end.
func curlDouble(text string, i int, word *strings.Builder) int {
	for ; i < len(text) && text[i] != '"'; i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && strings.IndexByte("\"\\$`\n", text[i+1]) >= 0:
			i++
			if text[i] != '\n' {
				word.WriteByte(text[i])
			}
		case text[i] == '$':
			i = curlExpansion(text, i, word)
		case text[i] == '`':
			n := strings.IndexByte(text[i+1:], '`')
			if n < 0 {
				n = len(text) - i - 2
			}
			word.WriteString(curlUnknown)
			i += n + 1
		default:
			word.WriteByte(text[i])
		}
	}
	return i
}

// curlANSI reads $'...' and returns the index of its end.
func curlANSI(text string, i int, word *strings.Builder) int {
	for ; i < len(text) && text[i] != '\''; i++ {
		if text[i] != '\\' || i+1 >= len(text) {
			word.WriteByte(text[i])
			continue
		}
		i++
		if n := strings.IndexByte("abefnrtv", text[i]); n >= 0 {
			word.WriteByte("\a\b\x1b\f\n\r\t\v"[n])
			continue
		}
		if digits, bytes := text[i:], 0; text[i] == 'x' || text[i] == 'u' {
			r, limit := rune(0), 2
			if text[i] == 'u' {
				limit = 4
			}
			for bytes < limit && bytes+1 < len(digits) && strings.IndexByte("0123456789abcdefABCDEF", digits[bytes+1]) >= 0 {
				bytes++
				r = r<<4 | rune(strings.IndexByte("0123456789abcdef", digits[bytes]|0x20&^(digits[bytes]&0x10<<1)))
			}
			i += bytes
			if limit == 4 || r < 0x80 {
				word.WriteRune(r)
			} else {
				word.WriteByte(byte(r))
			}
			continue
		}
		word.WriteByte(text[i])
	}
	return i
}

// curlExpansion reads $NAME, ${NAME} or $(...) and returns the index of its
// last byte. A lone dollar sign stands for itself.
func curlExpansion(text string, i int, word *strings.Builder) int {
	rest := text[i+1:]
	if rest == "" {
		word.WriteByte('$')
		return i
	}
	if n := strings.IndexByte("{(", rest[0]); n >= 0 {
		end := strings.IndexByte(rest, "})"[n])
		if end < 0 {
			end = len(rest) - 1
		}
		word.WriteString(curlUnknown)
		return i + 1 + end
	}
	n := 0
	for n < len(rest) && (rest[n] == '_' || rest[n] >= 'A' && rest[n] <= 'Z' || rest[n] >= 'a' && rest[n] <= 'z' || n > 0 && naturalDigit(rest[n])) {
		n++
	}
	if n == 0 {
		word.WriteByte('$')
		return i
	}
	word.WriteString(curlUnknown)
	return i + n
}
