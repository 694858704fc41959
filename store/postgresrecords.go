package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
)

// postgresPage is how many records a list reads at a time.
const postgresPage = 128

// postgresRecords keeps records in one table. Every call is one statement, and a
// transaction of its own. Expiries are compared with the clock of the caller.
type postgresRecords struct {
	pool    *postgresPool
	sweeper sweeper

	selectOne, insert, update, erase, listAll, listOwner, expired string
}

// openPostgresRecords migrates the table and checks that the server keeps what
// it confirms.
func openPostgresRecords(ctx context.Context, s *source, now func() time.Time) (Store, error) {
	all, err := readMigrations(migrationFiles)
	if err != nil {
		return nil, err
	}
	pool, err := newPostgresPool(s)
	if err != nil {
		return nil, err
	}
	if !s.volatile {
		err = pool.checkDurable(ctx)
	}
	if err == nil {
		err = pool.migrate(ctx, s.prefix, all)
	}
	if err != nil {
		pool.close()
		return nil, err
	}
	p := newPostgresRecords(pool, s.prefix+"_records")
	p.sweeper.start(ctx, func(ctx context.Context) error {
		// Another replica's clock may be behind.
		return p.sweep(ctx, now().Add(-ClockTolerance).UnixMilli())
	})
	r := &records{backend: p, now: now}
	r.timeout = s.timeout
	return r, nil
}

func newPostgresRecords(pool *postgresPool, table string) *postgresRecords {
	const page = ` and key > $3 and expires > $2 order by key limit $4`
	return &postgresRecords{
		pool:      pool,
		selectOne: `select owner, version, expires, body from ` + table + ` where kind = $1 and key = $2 and expires > $3`,
		insert: `insert into ` + table + ` as old (kind, key, owner, version, expires, body) values ($1, $2, $3, 1, $4, $5)
			on conflict (kind, key) do update set owner = excluded.owner, version = 1, expires = excluded.expires, body = excluded.body
			where old.expires <= $6`,
		update: `update ` + table + ` set version = version + 1, expires = $5, body = $6
			where kind = $1 and key = $2 and owner = $3 and version = $4 and expires > $7`,
		erase:     `delete from ` + table + ` where kind = $1 and key = $2`,
		listAll:   `select key, owner, version, expires, body from ` + table + ` where kind = $1` + page,
		listOwner: `select key, owner, version, expires, body from ` + table + ` where kind = $1 and owner = $5 and owner <> ''` + page,
		expired: `delete from ` + table + ` where (kind, key) in (select kind, key from ` + table + `
			where expires < 9223372036854775807 and expires <= $1 order by expires limit $2 for update skip locked)`,
	}
}

// checkDurable refuses a server that confirms what a crash of it could lose.
func (p *postgresPool) checkDurable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, schemaTimeout)
	defer cancel()
	var fsync, commit, pages string
	err := p.row(ctx, "select current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes')",
		nil, []any{&fsync, &commit, &pages})
	if err != nil {
		return err
	}
	if fsync != "on" || commit == "off" || pages != "on" {
		return fmt.Errorf("the server could lose what it has confirmed: fsync is %q, synchronous_commit %q, full_page_writes %q, want none of them off (or the option volatile=dangerously)", fsync, commit, pages)
	}
	return nil
}

func (p *postgresRecords) get(ctx context.Context, k Kind, key [32]byte, now int64) (Record, error) {
	var owner, body []byte
	var version, expires int64
	err := p.pool.row(ctx, p.selectOne, []any{string(k), key[:], now}, []any{&owner, &version, &expires, &body})
	if errors.Is(err, pgx.ErrNoRows) {
		return Record{}, ErrNotFound
	}
	return Record{Kind: k, Key: key, Owner: string(owner), Version: uint64(version), Expires: expiryTime(expires), Body: body}, err
}

// create waits for another transaction that is writing the same key.
func (p *postgresRecords) create(ctx context.Context, r Record, now int64) error {
	rows, err := p.pool.exec(ctx, p.insert, string(r.Kind), r.Key[:], []byte(r.Owner), r.expiry(), notNull(r.Body), now)
	if err == nil && rows == 0 {
		err = ErrExists
	}
	return err
}

func (p *postgresRecords) swap(ctx context.Context, r Record, now int64) error {
	if r.Version > math.MaxInt64 {
		return ErrConflict
	}
	rows, err := p.pool.exec(ctx, p.update, string(r.Kind), r.Key[:], []byte(r.Owner), int64(r.Version), r.expiry(), notNull(r.Body), now)
	if err == nil && rows == 0 {
		err = ErrConflict
	}
	return err
}

func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func (p *postgresRecords) remove(ctx context.Context, k Kind, key [32]byte) error {
	_, err := p.pool.exec(ctx, p.erase, string(k), key[:])
	return err
}

// pages goes through the keys in their order; each page is a statement of its
// own, so that no connection is held in between.
func (p *postgresRecords) pages(k Kind, owner string) func(context.Context, int64) ([]Record, bool, error) {
	after := []byte{} // begins every key
	return func(ctx context.Context, now int64) (found []Record, more bool, err error) {
		query, args := p.listAll, []any{string(k), now, after, postgresPage}
		if owner != "" {
			query, args = p.listOwner, append(args, []byte(owner))
		}
		err = p.pool.with(ctx, func(c *pgx.Conn) error {
			rows, err := c.Query(ctx, query, args...)
			if err != nil {
				return err
			}
			found, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Record, error) { return readRow(row, k) })
			return err
		})
		if err != nil || len(found) < postgresPage {
			return found, false, err
		}
		after = found[len(found)-1].Key[:]
		return found, true, nil
	}
}

func readRow(row pgx.CollectableRow, k Kind) (Record, error) {
	var key, owner, body []byte
	var version, expires int64
	if err := row.Scan(&key, &owner, &version, &expires, &body); err != nil {
		return Record{}, err
	}
	if len(key) != 32 {
		return Record{}, fmt.Errorf("a key has %d bytes, want 32", len(key))
	}
	return Record{Kind: k, Key: [32]byte(key), Owner: string(owner), Version: uint64(version), Expires: expiryTime(expires), Body: body}, nil
}

// sweep removes what has expired. Replicas may sweep at the same time: none waits
// for rows that another is deleting.
func (p *postgresRecords) sweep(ctx context.Context, now int64) error {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	for {
		rows, err := p.pool.exec(ctx, p.expired, now, sweepBatch)
		if err != nil || rows < sweepBatch {
			return err
		}
	}
}

func (p *postgresRecords) close() error {
	p.sweeper.close()
	p.pool.close()
	return nil
}
