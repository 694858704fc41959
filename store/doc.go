// Package store keeps what replicas have to share: which proofs were used, and
// the keys that seal nonces. It speaks to Valkey or Redis and to PostgreSQL.
//
// [OpenReplays] returns a [Replays], the shared holdfast.ReplayCache.
// [OpenNonceKeys] returns a [NonceKeys], a holdfast.NonceSource whose keys are
// shared, rotated, and sealed before they leave the process. Both take a data
// source name:
//
//	rediss://user@valkey.example:6379/0?password_file=/run/secrets/valkey
//	postgres://user@db.example:5432/auth?password_file=/run/secrets/db
//
// The schemes are redis and valkey, rediss and valkeys for TLS, postgres and
// postgresql. The options, each at most once and no others:
//
//	prefix         begins the names of keys and tables; default "holdfast"
//	timeout        of one call, such as 250ms; default DefaultTimeout
//	password_file  holds the password, instead of the URL
//	ca_file        PEM certificates that the server's certificate must lead to
//	max            PostgreSQL: ids kept at most; default DefaultMaxIDs
//	plaintext      "dangerously": no TLS to a host that is not loopback. Whoever
//	               is on the way can then answer "first use" for the server
//
// PostgreSQL is spoken to with TLS unless the host is loopback; the certificate
// is always verified.
//
// # What the server must be
//
// One Valkey or Redis primary, not a cluster, with the eviction policy
// noeviction: anything else is refused, since an evicted id is a replay. Set
// maxmemory: a full server is then an error and not a swapping machine. A
// primary that is replaced by a replica has another run id, which is a cold
// start like a restart, with and without persistence. A primary that was
// demoted has to be restarted before it is promoted again, and nothing on the
// way (a proxy, a virtual address) may spread one client over two primaries.
//
// In PostgreSQL the replay table is unlogged: a crash or a failover empties it,
// its epoch included, and that is seen. It must stay unlogged: a logged table
// can lose its last commits and keep the epoch.
//
// # What it does not do
//
// It does not fall back to a memory of its own: a server that cannot be reached
// is an error, which a verifier answers with 503. It does not repeat a call
// whose answer was lost. Clocks of the replicas may differ by [ClockTolerance];
// it does not set them.
package store
