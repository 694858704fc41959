// Package ops is what a server of this module needs to be operated: a strict
// configuration file, listeners, health, metrics and an audit log.
//
// [Decode] reads YAML and refuses what it does not know; [SecretRef] is a secret
// in it, which can only be a reference. [Listen] opens an [Endpoint], and
// [Serve] runs several servers together until they are told to stop. [Health],
// [Metrics] and [Audit] show how they are.
//
// It knows no protocol and no configuration of its own: what the fields mean is
// for the role that is served. It does not talk to a service manager.
//
// Nothing in here prints a secret. Metrics and health are meant for a listener
// that is not public.
package ops
