package cli

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
)

// openBrowser shows an address to the user: in $BROWSER, or with the opener of
// the system. The address is printed as well, because an opener cannot say
// whether anybody saw the page.
func (a *app) openBrowser(address string) {
	command := a.browserCommand()
	if len(command) > 0 {
		// No shell: the address is one argument, whatever is in it.
		c := exec.Command(command[0], append(command[1:], address)...)
		c.Env = withoutPassphrase(os.Environ())
		if err := c.Start(); err == nil {
			_ = c.Process.Release() // it may outlive us
			a.note("a browser was asked to open " + address)
			return
		}
	}
	a.note("open this address in a browser on this machine: " + address)
}

// withoutPassphrase is an environment for programs that are not to have it.
func withoutPassphrase(env []string) []string {
	return slices.DeleteFunc(env, func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return strings.EqualFold(name, passphraseVariable) // Windows does not tell the cases apart
	})
}

// browserCommand is the program to start, nil if there is none.
func (a *app) browserCommand() []string {
	// The variable is a list; of each command the first word is the program.
	first, _, _ := strings.Cut(a.Getenv("BROWSER"), ":")
	if words := strings.Fields(strings.ReplaceAll(first, "%s", "")); len(words) > 0 {
		return words
	}
	var opener []string
	switch runtime.GOOS {
	case "windows":
		opener = []string{"rundll32", "url.dll,FileProtocolHandler"}
	case "darwin":
		opener = []string{"open"}
	default:
		if a.Getenv("DISPLAY") == "" && a.Getenv("WAYLAND_DISPLAY") == "" {
			return nil
		}
		opener = []string{"xdg-open"}
	}
	if _, err := exec.LookPath(opener[0]); err != nil {
		return nil
	}
	return opener
}
