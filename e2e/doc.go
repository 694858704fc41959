// Package e2e holds the tests that put the parts of this module together over
// real connections: package client against the strict servers of package
// holdfasttest, with a fault at one place, and package explain on what was seen.
//
// It exports nothing. What one package promises alone is tested there.
package e2e
