package store

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/testservers"
)

func TestPostgres(t *testing.T) {
	s := testservers.Postgres(t)
	admin, err := newPostgresPool(&source{postgres: true, host: "127.0.0.1", port: s.Address[len("127.0.0.1:"):], user: "postgres", database: "postgres", timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.close)
	exec := func(t *testing.T, statement string) int64 {
		t.Helper()
		rows, err := admin.exec(t.Context(), statement)
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}

	t.Run("a table that a crash would not empty is refused", func(t *testing.T) {
		exec(t, "create table logged_replays_1 (id bytea primary key, until timestamptz not null, epoch text)")
		_, err := OpenReplays(t.Context(), postgresDSN(s)+"&prefix=logged")
		if err == nil || !strings.Contains(err.Error(), "is not unlogged") {
			t.Errorf("got %v, want an error", err)
		}
	})
	t.Run("replicas that start together make one table", func(t *testing.T) {
		opened := make(chan error, 6)
		for range cap(opened) {
			go func() {
				r, err := OpenReplays(t.Context(), postgresDSN(s)+"&prefix=together")
				if err == nil {
					err = r.Close()
				}
				opened <- err
			}()
		}
		for range cap(opened) {
			if err := <-opened; err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("expired ids are deleted, others and the epoch are not", func(t *testing.T) {
		r := settled(t, new(clock), postgresDSN(s)+"&prefix=sweep")
		for i := range byte(20) {
			if _, err := r.Use(t.Context(), holdfast.ReplayID{i}, time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		p := r.backend.(*postgresReplays)
		if n := exec(t, "update sweep_replays_1 set until = now() - interval '1 second' where id < '\\x0a' and epoch is null"); n != 10 {
			t.Fatalf("%d ids were made old", n)
		}
		if err := p.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := p.held.Load(); n != 10 {
			t.Errorf("%d ids are held, want 10", n)
		}
		if first, err := r.Use(t.Context(), holdfast.ReplayID{19}, time.Now()); first || err != nil {
			t.Errorf("Use of an id that is held = %v, %v, want a replay", first, err)
		}
	})
	t.Run("a full table has a code of its own", func(t *testing.T) {
		r := settled(t, new(clock), postgresDSN(s)+"&prefix=small&max=5")
		for i := range byte(5) {
			if first, err := r.Use(t.Context(), holdfast.ReplayID{i}, time.Now().Add(time.Minute)); !first || err != nil {
				t.Fatalf("Use %d = %v, %v, want the first", i, first, err)
			}
		}
		if first, err := r.Use(t.Context(), holdfast.ReplayID{9}, time.Now()); first || !errors.Is(err, holdfast.CodeServerReplayFull) {
			t.Errorf("Use = %v, %v, want server.replay_full", first, err)
		}
		if seen, err := r.Peek(t.Context(), holdfast.ReplayID{9}); seen || !errors.Is(err, holdfast.CodeServerReplayFull) {
			t.Errorf("Peek = %v, %v, want server.replay_full", seen, err)
		}
	})
	t.Run("a truncated table is a cold start", func(t *testing.T) {
		c := new(clock)
		r := settled(t, c, postgresDSN(s)+"&prefix=cut")
		id := holdfast.ReplayID{1}
		if first, err := r.Use(t.Context(), id, c.now()); !first || err != nil {
			t.Fatalf("Use = %v, %v, want the first", first, err)
		}
		exec(t, "truncate cut_replays_1")
		if first, err := r.Use(t.Context(), id, c.now()); first || !errors.Is(err, errForgot) {
			t.Errorf("Use = %v, %v, want an error", first, err)
		}
	})
	t.Run("no free connection is an error in time", func(t *testing.T) {
		r := settled(t, new(clock), "postgres://postgres@"+s.Address+"/postgres?prefix=busy&timeout=100ms")
		pool := r.backend.(*postgresReplays).pool.pool
		for range postgresConns {
			c, err := pool.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Release()
		}
		if first, err := r.Use(t.Context(), holdfast.ReplayID{1}, time.Now()); first || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Use = %v, %v, want an error", first, err)
		}
	})
	t.Run("a peer that hangs up costs no connection", func(t *testing.T) {
		r := settled(t, new(clock), postgresDSN(s)+"&prefix=hangup")
		pool := r.backend.(*postgresReplays).pool.pool
		id := holdfast.ReplayID{7}
		other, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer other.Release()
		tx, err := other.Begin(t.Context()) // whoever uses the same id waits for it
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), "insert into hangup_replays_1 (id, until) values ($1, now())", id[:]); err != nil {
			t.Fatal(err)
		}
		made := pool.Stat().NewConnsCount()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := r.Use(ctx, id, time.Now())
			done <- err
		}()
		for waiting := int64(0); waiting == 0; {
			if len(done) > 0 {
				t.Fatalf("Use did not wait: %v", <-done)
			}
			waiting = exec(t, "select pid from pg_stat_activity where wait_event_type = 'Lock' and query like '%hangup_replays_1%' and pid <> pg_backend_pid()")
		}
		cancel()
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Errorf("Use = %v, want an answer", err)
		}
		if first, err := r.Use(t.Context(), id, time.Now()); first || err != nil {
			t.Errorf("Use again = %v, %v, want a replay", first, err)
		}
		// One for the use that waited, if none was free.
		if n := pool.Stat().NewConnsCount() - made; n > 1 {
			t.Errorf("%d connections were made, want one at most", n)
		}
	})
	t.Run("a lost connection costs one call", func(t *testing.T) {
		r := settled(t, new(clock), postgresDSN(s)+"&prefix=cutoff")
		pool := r.backend.(*postgresReplays).pool.pool
		var open []*pgxpool.Conn
		for range postgresConns {
			c, err := pool.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Exec(t.Context(), "select 1 from cutoff_replays_1"); err != nil { // names the connection
				t.Fatal(err)
			}
			open = append(open, c)
		}
		for _, c := range open {
			c.Release()
		}
		exec(t, "select pg_terminate_backend(pid) from pg_stat_activity where query like '%cutoff_replays_1%' and pid <> pg_backend_pid()")
		failed := 0
		for i := range byte(2 * postgresConns) {
			if _, err := r.Use(t.Context(), holdfast.ReplayID{2, i}, time.Now()); err != nil {
				failed++
			}
		}
		if failed > 1 { // none if the pool finds out first
			t.Errorf("%d calls failed, want one at most", failed)
		}
	})
}
