package cli

import (
	"bytes"
	"os"
	"testing"
)

// docs/checks.md is generated; this says when it was forgotten.
func TestChecksDocumentIsCurrent(t *testing.T) {
	var b bytes.Buffer
	if err := writeChecksMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/checks.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, b.Bytes()) {
		t.Error("docs/checks.md is not what the table says: run make docs")
	}
}
