package store

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// postgresNonceKeys keeps the sealed ring in the one row of a table.
type postgresNonceKeys struct {
	pool  *postgresPool
	table string
}

func openPostgresNonceKeys(ctx context.Context, s *source) (*postgresNonceKeys, error) {
	pool, err := newPostgresPool(s)
	if err != nil {
		return nil, err
	}
	k := &postgresNonceKeys{pool, s.prefix + "_nonce_keys_1"}
	err = pool.createTable(ctx, `create table if not exists `+k.table+` (
		one boolean primary key default true check (one), ring bytea not null)`)
	if err != nil {
		pool.close()
		return nil, err
	}
	return k, nil
}

func (k *postgresNonceKeys) close() { k.pool.close() }

func (k *postgresNonceKeys) loadKeys(ctx context.Context) (ring []byte, err error) {
	err = k.pool.row(ctx, "select ring from "+k.table, nil, []any{&ring})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return ring, err
}

func (k *postgresNonceKeys) swapKeys(ctx context.Context, former, next []byte) (bool, error) {
	statement, args := "insert into "+k.table+" (ring) values ($1) on conflict do nothing", []any{next}
	if former != nil {
		statement, args = "update "+k.table+" set ring = $1 where ring = $2", []any{next, former}
	}
	rows, err := k.pool.exec(ctx, statement, args...)
	return rows == 1, err
}
