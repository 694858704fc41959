package login

import (
	"fmt"
	"regexp"
	"strings"
)

// MaxNameBytes is the longest name that somebody can log in by.
const MaxNameBytes = 128

// nameForm is ASCII only: two names that look alike are then one name or differ
// in a character that can be seen.
var nameForm = regexp.MustCompile(`^[a-z0-9._@+-]{1,128}$`)

// fold returns the one spelling of a name. Letter case does not count.
func fold(name string) (string, bool) {
	if len(name) > MaxNameBytes {
		return "", false
	}
	name = strings.ToLower(name)
	return name, nameForm.MatchString(name)
}

// checkName is fold for an operator, who has to know what is wrong.
func checkName(name string) (string, error) {
	folded, ok := fold(name)
	if !ok {
		return "", fmt.Errorf("name: %.60q with %d bytes, 1 to %d of a-z 0-9 . _ @ + - are needed", name, len(name), MaxNameBytes)
	}
	return folded, nil
}
