package interop

import (
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// conformanceProgram is the judge of the MCP project, below the folder node.
const conformanceProgram = "node_modules/@modelcontextprotocol/conformance/dist/index.js"

// TestMCPConformance lets the conformance program of the Model Context Protocol
// judge our client: SEP-1932, which is RFC 9449 for MCP.
func TestMCPConformance(t *testing.T) {
	node := nodePath(t)
	ours := build(t, ".", "./cmd/mcpclient")
	for _, scenario := range []string{"auth/dpop", "auth/dpop-nonce"} {
		t.Run(scenario, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), programTimeout)
			defer cancel()
			cmd := exec.CommandContext(ctx, node, conformanceProgram, "client", "--command", ours, "--scenario", scenario)
			cmd.Dir = "node"
			out, err := cmd.CombinedOutput()
			if err != nil || !passed.Match(out) {
				t.Fatalf("%v\n%s", err, out)
			}
		})
	}
}

// passed is the last line of the judge if there was neither failure nor warning.
var passed = regexp.MustCompile(`\b[1-9]\d*/[1-9]\d*\b.*\b0 failed, 0 warnings`)

// build compiles a command of the module in a folder and returns its path.
func build(t *testing.T, module, pkg string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-o", path, pkg)
	cmd.Dir = module
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return path
}
