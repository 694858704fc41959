// Package explain turns evidence of a refused OAuth call into a ranked,
// redacted diagnosis: was it an ordinary bearer failure or a failure of the
// proof of possession, which cause, how sure, because of which facts, what each
// party should change, and what is missing if it cannot be decided.
//
// Most people need three names: [ReadPaths] reads captures (HAR, curl -v, raw
// HTTP, evidence bundles, logs), [Explain] judges them, and [Diagnosis] holds
// the answer, as text, JSON or Markdown. [Redact] makes evidence safe to share.
//
// The facts come from the check table of package holdfast: what refuses a
// request and what explains the refusal is the same code. The package does no
// network I/O and never reads the wall clock; keys, metadata and the time come
// from the evidence or from the caller.
//
// Evidence holds live credentials. Nothing in a Diagnosis can: values pass
// through redaction when they enter it.
package explain
