package store

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

const postgresConns = 16 // per process

// postgresPool is a fixed number of places for connections, which are made when
// they are needed. When one breaks, the others are made anew as well: the
// server has probably been restarted, and each of them would cost a call.
type postgresPool struct {
	config *pgx.ConnConfig
	places chan postgresConn
	breaks atomic.Uint64
}

// postgresConn is a connection, or the place for one.
type postgresConn struct {
	conn   *pgx.Conn
	breaks uint64 // as many as there were when it was made
}

func newPostgresPool(s *source) (*postgresPool, error) {
	u := url.URL{Scheme: "postgres", Host: s.address(), Path: "/" + s.database, RawQuery: "sslmode=disable"}
	if s.user != "" {
		u.User = url.User(s.user)
	}
	c, err := pgx.ParseConfig(u.String()) // holds no password, so its error cannot
	if err != nil {
		return nil, err
	}
	if !s.password.IsZero() {
		c.Password = s.password.Reveal()
	}
	c.TLSConfig, c.Fallbacks = s.tls, nil
	c.ConnectTimeout = s.timeout
	c.RuntimeParams["application_name"] = "holdfast"
	c.RuntimeParams["statement_timeout"] = strconv.FormatInt(sweepTimeout.Milliseconds(), 10)
	p := &postgresPool{config: c, places: make(chan postgresConn, postgresConns)}
	for range postgresConns {
		p.places <- postgresConn{}
	}
	return p, nil
}

// with runs f on a connection of its own. It never runs f twice.
func (p *postgresPool) with(ctx context.Context, f func(*pgx.Conn) error) error {
	var c postgresConn
	select {
	case c = <-p.places:
	case <-ctx.Done():
		return fmt.Errorf("all %d connections are busy: %w", postgresConns, ctx.Err())
	}
	defer func() {
		if c.conn != nil && c.conn.IsClosed() {
			p.breaks.Add(1)
			c.conn = nil
		}
		p.places <- c
	}()
	if c.conn != nil && c.breaks != p.breaks.Load() {
		_ = c.conn.Close(ctx) // the server knows already, or will notice
		c.conn = nil
	}
	if c.conn == nil {
		var err error
		c.breaks = p.breaks.Load()
		if c.conn, err = pgx.ConnectConfig(ctx, p.config); err != nil {
			c.conn = nil
			return err
		}
	}
	return f(c.conn)
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
func (p *postgresPool) close() {
	ctx, cancel := context.WithTimeout(context.Background(), schemaTimeout)
	defer cancel()
	for range postgresConns {
		if c := <-p.places; c.conn != nil {
			_ = c.conn.Close(ctx)
		}
	}
}
