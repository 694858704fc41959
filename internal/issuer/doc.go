// Package issuer is the authorization server as a program: a configuration file
// becomes an authserver.Server with its stores, people, listeners, metrics and
// audit log.
//
// [Read] reads a [Config], [Config.Check] finds every mistake in it without
// opening anything, [Run] serves until it is told to stop. [Effective] shows a
// configuration with its defaults.
//
// It holds no knowledge of the protocols, which is in package authserver, and
// keeps nothing itself. Configurations hold references to secrets, never
// secrets, so that they can be shown. The admin listener authenticates nobody:
// it is on a socket that only its owner can open, or on loopback, where every
// account of the machine can use it.
package issuer
