package store

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// The migrations of the tables of records, in files named by their numbers. The
// first line of each says the number of the oldest release that works with the
// tables after it. "PREFIX" stands for the prefix of the names.
//
// During a rolling upgrade a release meets tables that a later one has migrated.
// A migration therefore only adds, so that the release before it goes on
// working; what it made superfluous is removed one release later, by a migration
// that says so in its first line.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration is one step from one layout of the tables to the next.
type migration struct {
	number    int
	worksWith int // the oldest release that works with what it leaves, by the number of its last migration
	text      string
}

// readMigrations reads a folder of them, and refuses one with gaps.
func readMigrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var all []migration
	for _, name := range names {
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		number, _, _ := strings.Cut(strings.TrimPrefix(name, "migrations/"), "_")
		first, text, _ := strings.Cut(string(b), "\n")
		m := migration{text: text}
		m.number, err = strconv.Atoi(number)
		if err == nil {
			m.worksWith, err = strconv.Atoi(strings.TrimPrefix(first, "-- works with: "))
		}
		if err != nil || m.worksWith < 1 || m.worksWith > m.number {
			return nil, fmt.Errorf("%s: want a number in its name, and a first line \"-- works with: \" with one that is not larger", name)
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b migration) int { return cmp.Compare(a.number, b.number) })
	for i, m := range all {
		if m.number != i+1 {
			return nil, fmt.Errorf("migration %d is missing", i+1)
		}
	}
	return all, nil
}

// migrate brings the tables to the layout of this release. Replicas that start
// together take turns; tables that are up to date are only looked at, so that a
// role without the right to change them will do.
func (p *postgresPool) migrate(ctx context.Context, prefix string, all []migration) error {
	ctx, cancel := context.WithTimeout(ctx, schemaTimeout)
	defer cancel()
	return p.with(ctx, func(c *pgx.Conn) error {
		var exists bool
		if err := c.QueryRow(ctx, "select to_regclass($1::text) is not null", prefix+"_schema").Scan(&exists); err != nil {
			return err
		}
		if exists {
			if at, err := schemaOf(ctx, c, prefix, all); err != nil || at >= len(all) {
				return err
			}
		}
		return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error { return migrateLocked(ctx, tx, prefix, all) })
	})
}

func migrateLocked(ctx context.Context, tx pgx.Tx, prefix string, all []migration) error {
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", int64(schemaLock)); err != nil {
		return err
	}
	// Not if to_regclass says so: while it waited for the lock, the session does
	// not hear of a table that another one made.
	_, err := tx.Exec(ctx, "create table if not exists "+prefix+`_schema (
		number int primary key, works_with int not null, at timestamptz not null default now())`)
	if err != nil {
		return err
	}
	at, err := schemaOf(ctx, tx, prefix, all)
	if err != nil {
		return err
	}
	for _, m := range all[min(at, len(all)):] {
		if err := m.apply(ctx, tx, prefix); err != nil {
			return fmt.Errorf("migration %d: %w", m.number, err)
		}
	}
	return nil
}

// querier is a connection or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// schemaOf returns the number of the last migration of the tables, 0 if there are
// none. It fails if they were migrated by a release that this one cannot work
// beside.
func schemaOf(ctx context.Context, q querier, prefix string, all []migration) (at int, err error) {
	var worksWith int
	err = q.QueryRow(ctx, "select number, works_with from "+prefix+"_schema order by number desc limit 1").Scan(&at, &worksWith)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("table %s_schema: %w", prefix, err)
	}
	if worksWith > len(all) {
		return 0, fmt.Errorf("the tables were migrated to %d by a later release, which works with those from %d on; this one has %d", at, worksWith, len(all))
	}
	return at, nil
}

// apply makes the step and writes it down, in the caller's transaction.
func (m migration) apply(ctx context.Context, tx pgx.Tx, prefix string) error {
	if _, err := tx.Exec(ctx, strings.ReplaceAll(m.text, "PREFIX", prefix)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "insert into "+prefix+"_schema (number, works_with) values ($1, $2)", m.number, m.worksWith)
	return err
}
