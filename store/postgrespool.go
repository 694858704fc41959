package store

import (
	"context"
	"net/url"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const postgresConns = 16 // per process

// postgresPool are the connections of one process, made when they are needed.
type postgresPool struct{ pool *pgxpool.Pool }

func newPostgresPool(s *source) (*postgresPool, error) {
	u := url.URL{Scheme: "postgres", Host: s.address(), Path: "/" + s.database, RawQuery: "sslmode=disable"}
	if s.user != "" {
		u.User = url.User(s.user)
	}
	c, err := pgxpool.ParseConfig(u.String()) // holds no password, so its error cannot
	if err != nil {
		return nil, err
	}
	if !s.password.IsZero() {
		c.ConnConfig.Password = s.password.Reveal()
	}
	c.ConnConfig.TLSConfig, c.ConnConfig.Fallbacks = s.tls, nil
	c.ConnConfig.ConnectTimeout = s.timeout
	c.ConnConfig.RuntimeParams["application_name"] = "holdfast"
	c.ConnConfig.RuntimeParams["statement_timeout"] = strconv.FormatInt(sweepTimeout.Milliseconds(), 10)
	// Whoever was second then sees what the first wrote, and is told so; at a
	// stricter level, which a role or a database may ask for, it is an error.
	c.ConnConfig.RuntimeParams["default_transaction_isolation"] = "read committed"
	c.MaxConns = postgresConns
	pool, err := pgxpool.NewWithConfig(context.Background(), c) // connects to nothing yet
	if err != nil {
		return nil, err
	}
	return &postgresPool{pool}, nil
}

// with runs f on a connection of its own. It never runs f twice.
func (p *postgresPool) with(ctx context.Context, f func(*pgx.Conn) error) error {
	c, err := p.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer c.Release()
	err = f(c.Conn())
	if c.Conn().IsClosed() {
		// The server has probably been restarted: each of the others would cost
		// a call before it is found out.
		p.pool.Reset()
	}
	return err
}

// row runs a query of one row.
func (p *postgresPool) row(ctx context.Context, query string, args, into []any) error {
	return p.with(ctx, func(c *pgx.Conn) error { return c.QueryRow(ctx, query, args...).Scan(into...) })
}

// exec runs a statement and returns how many rows it touched.
func (p *postgresPool) exec(ctx context.Context, statement string, args ...any) (rows int64, err error) {
	err = p.with(ctx, func(c *pgx.Conn) error {
		tag, err := c.Exec(ctx, statement, args...)
		rows = tag.RowsAffected()
		return err
	})
	return rows, err
}

// createTable runs statements that make a table unless it is there; replicas
// that start together take turns. The table's name ends in the number of its
// layout: another layout is another table, and what is lost with the former one
// is what a cold start loses.
func (p *postgresPool) createTable(ctx context.Context, statements string) error {
	ctx, cancel := context.WithTimeout(ctx, schemaTimeout)
	defer cancel()
	return p.with(ctx, func(c *pgx.Conn) error {
		return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", int64(schemaLock)); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, statements)
			return err
		})
	})
}

// close ends all connections after the calls under way.
func (p *postgresPool) close() { p.pool.Close() }
