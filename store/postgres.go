package store

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// How PostgreSQL is used.
const (
	sweepBatch    = 5000 // rows deleted by one statement
	schemaTimeout = 10 * time.Second
	schemaLock    = 0x686f6c6466617374 // of pg_advisory_xact_lock: "holdfast"
)

// postgresReplays keeps the ids in one unlogged table. Its row with an epoch
// goes wherever the ids go: away in a crash or a failover, or with a truncate.
type postgresReplays struct {
	pool    *postgresPool
	table   string
	max     int64
	held    atomic.Int64 // ids counted by the last sweep, and added by this process since
	sweeper sweeper
}

// epochID is the key of the row that holds the epoch; ids have 16 bytes.
const epochID = `'\x00'::bytea`

func openPostgresReplays(ctx context.Context, s *source) (*postgresReplays, error) {
	pool, err := newPostgresPool(s)
	if err != nil {
		return nil, err
	}
	p := &postgresReplays{pool: pool, table: s.prefix + "_replays_1", max: s.maxIDs}
	err = pool.createTable(ctx, `create unlogged table if not exists `+p.table+` (
		id bytea primary key, until timestamptz not null, epoch text);
		create index if not exists `+p.table+`_until on `+p.table+` (until)`)
	if err == nil {
		err = p.checkUnlogged(ctx)
	}
	if err != nil {
		pool.close()
		return nil, err
	}
	p.sweeper.start(ctx, p.sweep)
	return p, nil
}

// checkUnlogged refuses a table that a crash would not empty: with
// synchronous_commit off it loses its last rows and keeps the epoch.
func (p *postgresReplays) checkUnlogged(ctx context.Context) error {
	var kind string
	err := p.pool.row(ctx, "select relpersistence::text from pg_class where oid = $1::text::regclass", []any{p.table}, []any{&kind})
	if err == nil && kind != "u" {
		err = fmt.Errorf("table %s is not unlogged: a crash could lose ids without being seen", p.table)
	}
	return err
}

func (p *postgresReplays) close() {
	p.sweeper.close()
	p.pool.close()
}

// use is one statement: the row is put or found, and the epoch read from the
// same table. It waits for another transaction that is putting the same id.
func (p *postgresReplays) use(ctx context.Context, id holdfast.ReplayID, ttl time.Duration) (bool, mark, error) {
	if err := p.full(); err != nil {
		return false, mark{}, err
	}
	var first bool
	var epoch *string
	err := p.pool.row(ctx, `with put as (
			insert into `+p.table+` (id, until) values ($1, now() + $2 * interval '1 microsecond')
			on conflict do nothing returning 1)
		select exists (select from put), (select epoch from `+p.table+` where id = `+epochID+`)`,
		[]any{id[:], ttl.Microseconds()}, []any{&first, &epoch})
	if err != nil {
		return false, mark{}, err
	}
	if first {
		p.held.Add(1)
	}
	return first, markOf(epoch), nil
}

func (p *postgresReplays) peek(ctx context.Context, id holdfast.ReplayID) (bool, mark, error) {
	var seen bool
	var epoch *string
	err := p.pool.row(ctx, `select exists (select from `+p.table+` where id = $1),
		(select epoch from `+p.table+` where id = `+epochID+`)`, []any{id[:]}, []any{&seen, &epoch})
	if err == nil && !seen {
		err = p.full()
	}
	return seen, markOf(epoch), err
}

// full returns an error if there is no room. Ids that other replicas added
// since the last sweep are not counted yet.
func (p *postgresReplays) full() error {
	held := p.held.Load()
	if held < p.max {
		return nil
	}
	err := fmt.Errorf("%w: %d ids are held, at most %d", holdfast.CodeServerReplayFull, held, p.max)
	if cause := p.sweeper.failed.Load(); cause != nil {
		err = fmt.Errorf("%w; expired ones were not deleted: %w", err, *cause)
	}
	return err
}

func markOf(epoch *string) mark {
	if epoch == nil {
		return mark{}
	}
	return mark{epoch: *epoch}
}

func (p *postgresReplays) look(ctx context.Context, fresh string) (mark, error) {
	_, err := p.pool.exec(ctx, `insert into `+p.table+` (id, until, epoch) values (`+epochID+`, 'infinity', $1) on conflict do nothing`, fresh)
	if err != nil {
		return mark{}, err
	}
	var epoch *string
	if err := p.pool.row(ctx, `select epoch from `+p.table+` where id = `+epochID, nil, []any{&epoch}); err != nil {
		return mark{}, err
	}
	if epoch == nil {
		return mark{}, errors.New("the row of the epoch is empty")
	}
	return markOf(epoch), nil
}

// sweep deletes expired ids and counts the others. Replicas may sweep at the
// same time: none waits for rows that another is deleting.
func (p *postgresReplays) sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	for {
		rows, err := p.pool.exec(ctx, `delete from `+p.table+` where id in (select id from `+p.table+`
			where until < now() order by until limit $1 for update skip locked)`, sweepBatch)
		if err != nil {
			return err
		}
		if rows < sweepBatch {
			break
		}
	}
	before := p.held.Load()
	var held int64
	if err := p.pool.row(ctx, `select count(*) from (select from `+p.table+` where epoch is null limit $1) as part`, []any{p.max}, []any{&held}); err != nil {
		return err
	}
	p.held.Add(held - before)
	return nil
}
