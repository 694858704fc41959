// Package store keeps what replicas have to share: the records of an
// authorization server, which proofs were used, and the keys that seal nonces.
//
// [Open] returns a [Store] of records with compare-and-swap, which [Seal] puts a
// seal before. [OpenReplays] returns a [Replays], the shared
// holdfast.ReplayCache. [OpenNonceKeys] returns a [NonceKeys], a
// holdfast.NonceSource whose keys are shared, rotated, and sealed before they
// leave the process. [NewBlockList] makes a holdfast.BlockList of records. The
// three that open take a data source name:
//
//	memory:
//	bbolt:///var/lib/holdfast/as.db
//	rediss://user@valkey.example:6379/0?password_file=/run/secrets/valkey
//	postgres://user@db.example:5432/auth?password_file=/run/secrets/db
//
// The first two are records of one process and need no server: memory: forgets
// everything when the process ends, bbolt: is a file. The other schemes are redis
// and valkey, rediss and valkeys for TLS, postgres and postgresql. The options,
// each at most once and no others:
//
//	prefix         begins the names of keys and tables; default "holdfast"
//	timeout        of one call, such as 250ms; default DefaultTimeout. Of a file:
//	               how long Open waits for another process to close it
//	password_file  holds the password, instead of the URL
//	ca_file        PEM certificates that the server's certificate must lead to
//	max            PostgreSQL: replay ids kept at most; default DefaultMaxIDs
//	plaintext      "dangerously": no TLS to a host that is not loopback. Whoever
//	               is on the way can then answer "first use" for the server
//	volatile       "dangerously": records on a server that may lose what it has
//	               confirmed. A spent code or a revocation that is lost is undone
//
// PostgreSQL is spoken to with TLS unless the host is loopback; the certificate
// is always verified. A file takes the option timeout only.
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
// # What makes a record durable
//
// Replay ids may be lost, since the loss is seen. Records may not: a forgotten
// code is unspent, a forgotten revocation never was. What a Store has confirmed
// is on the disk:
//
//   - bbolt: the file is synced before the answer; writes at the same time share
//     a sync. The file has mode 0600 and must not be in a folder that anybody may
//     write. A second process is refused. A disk that is full or read-only is an
//     error of each write, and reads go on; with room again, writes do too. A
//     write waits 10 s for a disk that hangs; nobody knows then what became of it.
//   - PostgreSQL: Open refuses a server with fsync, full_page_writes or
//     synchronous_commit off.
//   - Valkey and Redis: Open refuses a server unless it has appendonly yes and
//     appendfsync always, which it reads with INFO and CONFIG GET.
//
// Open looks once. A failover to a replica that had not received everything
// loses what was confirmed in between, whatever Open saw: use synchronous
// replication in PostgreSQL, and for Valkey promote by hand and revoke what was
// issued in that time.
//
// Expired records are gone at once, by the clock of whoever asks; they are
// removed in the background, a bounded number at a time. Clocks of replicas may
// differ by [ClockTolerance].
//
// [Backup] copies the embedded store while it is used, [Restore] makes a file of
// such a copy. Servers have tools of their own for that.
//
// # Rolling upgrades
//
// Open brings the tables in PostgreSQL up to date, under a lock, and writes the
// number of the last migration into the table PREFIX_schema. A migration only
// adds, so that replicas of one release and the next run side by side; what it
// made superfluous is removed one release later. Tables that a later release
// migrated are accepted as long as it says that it works with this one, and
// refused afterwards. A role that may not make tables will do where they are up
// to date. The formats of a file, of a record in Valkey and of a sealed body
// begin with a number; one that is not known is an error.
//
// # What it does not do
//
// It does not fall back to a memory of its own: a server that cannot be reached
// is an error, which is answered with 503. It does not repeat a call whose
// answer was lost. It does not set the clocks of the replicas.
package store
