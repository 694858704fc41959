package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/holdfast-oauth/holdfast/internal/testservers"
)

// postgresAdmin returns a pool of the superuser, and what runs a statement on it.
func postgresAdmin(t *testing.T, s *testservers.PostgresServer) (*postgresPool, func(statement string) int64) {
	t.Helper()
	source, err := parseDSN(postgresDSN(s))
	check(t, err)
	admin, err := newPostgresPool(source)
	check(t, err)
	t.Cleanup(admin.close)
	return admin, func(statement string) int64 {
		t.Helper()
		rows, err := admin.exec(context.WithoutCancel(t.Context()), statement)
		check(t, err)
		return rows
	}
}

func openServer(t testing.TB, dsn string, now func() time.Time) *records {
	t.Helper()
	s, err := open(t.Context(), dsn, now)
	check(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s.(*records)
}

func TestRecordsInPostgres(t *testing.T) {
	s := testservers.Postgres(t)
	admin, exec := postgresAdmin(t, s)
	dsn := postgresDSN(s)
	refused := func(t *testing.T, dsn, want string) {
		t.Helper()
		if _, err := Open(t.Context(), dsn); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open = %v, want an error with %q", err, want)
		}
	}

	t.Run("replicas that start together make one table", func(t *testing.T) {
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				s, err := Open(t.Context(), dsn+"&prefix=together")
				if err == nil {
					err = s.Close()
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		var n int
		check(t, admin.row(t.Context(), "select count(*) from together_schema", nil, []any{&n}))
		if n != 1 {
			t.Errorf("%d migrations are written down, want 1", n)
		}
	})
	t.Run("a release goes on beside the next one", func(t *testing.T) {
		former := openServer(t, dsn+"&prefix=rolling", time.Now)
		check(t, former.Create(t.Context(), Record{Kind: "test", Body: []byte("former")}))
		check(t, admin.migrate(t.Context(), "rolling", nextRelease(t, "1", "alter table PREFIX_records add column note text")))
		if _, err := former.Get(t.Context(), "test", [32]byte{}); err != nil {
			t.Errorf("a replica that is running: Get = %v", err)
		}
		again := openServer(t, dsn+"&prefix=rolling", time.Now)
		check(t, again.Create(t.Context(), Record{Kind: "test", Key: [32]byte{1}}))
	})
	t.Run("tables that only a later release reads are refused", func(t *testing.T) {
		openServer(t, dsn+"&prefix=later", time.Now)
		check(t, admin.migrate(t.Context(), "later", nextRelease(t, "2", "alter table PREFIX_records drop column owner")))
		refused(t, dsn+"&prefix=later", "migrated to 2 by a later release, which works with those from 2 on; this one has 1")
	})
	t.Run("a migration that fails changes nothing", func(t *testing.T) {
		openServer(t, dsn+"&prefix=failing", time.Now)
		broken := nextRelease(t, "1", "alter table PREFIX_records add column a text; select * from nowhere")
		if err := admin.migrate(t.Context(), "failing", broken); err == nil || !strings.Contains(err.Error(), "migration 2: ") {
			t.Errorf("migrate = %v, want an error about migration 2", err)
		}
		check(t, admin.migrate(t.Context(), "failing", nextRelease(t, "1", "alter table PREFIX_records add column a text")))
	})
	t.Run("a role that may not make tables will do", func(t *testing.T) {
		openServer(t, dsn+"&prefix=least", time.Now)
		exec("create role alice login")
		exec("revoke create on schema public from public")
		exec("grant select, insert, update, delete on least_records to alice")
		exec("grant select on least_schema to alice")
		alice := openServer(t, strings.Replace(dsn, "postgres@", "alice@", 1)+"&prefix=least", time.Now)
		check(t, alice.Create(t.Context(), Record{Kind: "test"}))
		refused(t, strings.Replace(dsn, "postgres@", "alice@", 1)+"&prefix=none", "permission denied")
	})
	t.Run("a server that confirms too early is refused", func(t *testing.T) {
		exec("create role bob login superuser")
		exec("alter role bob set synchronous_commit = off")
		bob := strings.Replace(dsn, "postgres@", "bob@", 1) + "&prefix=early"
		refused(t, bob, `synchronous_commit "off"`)
		check(t, openServer(t, bob+"&volatile=dangerously", time.Now).Create(t.Context(), Record{Kind: "test"}))
	})
	t.Run("who comes second is told so, whatever the level of isolation of the role", func(t *testing.T) {
		exec("create role carol login superuser")
		exec("alter role carol set default_transaction_isolation = serializable")
		s := openServer(t, strings.Replace(dsn, "postgres@", "carol@", 1)+"&prefix=level", time.Now)
		for n := range byte(20) {
			r := Record{Kind: "test", Key: [32]byte{n}}
			check(t, s.Create(t.Context(), r))
			r.Version = 1
			answers := make(chan error, 8)
			for range cap(answers) {
				go func() { answers <- s.Swap(t.Context(), r) }()
			}
			won := 0
			for range cap(answers) {
				switch err := <-answers; {
				case err == nil:
					won++
				case !errors.Is(err, ErrConflict):
					t.Fatalf("Swap = %v, want a conflict", err)
				}
			}
			if won != 1 {
				t.Fatalf("%d calls of Swap succeeded, want one", won)
			}
		}
	})
	t.Run("what has expired is deleted", func(t *testing.T) {
		c := new(clock)
		s := openServer(t, dsn+"&prefix=sweep", c.now)
		for n := range byte(20) {
			r := Record{Kind: "test", Key: [32]byte{n}, Expires: c.now().Add(time.Hour)}
			if n%2 == 0 {
				r.Expires = time.Time{}
			}
			check(t, s.Create(t.Context(), r))
		}
		c.advance(2 * time.Hour)
		check(t, s.backend.(*postgresRecords).sweep(t.Context(), c.now().UnixMilli()))
		if n := exec("select from sweep_records"); n != 10 {
			t.Errorf("%d records are left, want the 10 that do not expire", n)
		}
	})
	t.Run("no free connection is an error in time", func(t *testing.T) {
		s := openServer(t, "postgres://postgres@"+s.Address+"/postgres?prefix=busy&timeout=100ms", time.Now)
		hold(t, s.backend.(*postgresRecords).pool.pool)
		if _, err := s.Get(t.Context(), "test", [32]byte{}); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "store: get test: ") {
			t.Errorf("Get = %v, want an error", err)
		}
	})
}

// hold takes all connections until the test ends.
func hold(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	for range postgresConns {
		c, err := pool.Acquire(t.Context())
		check(t, err)
		t.Cleanup(c.Release)
	}
}

// nextRelease returns the migrations of a release with one more.
func nextRelease(t *testing.T, worksWith, text string) []migration {
	t.Helper()
	first, err := fs.ReadFile(migrationFiles, "migrations/0001_records.sql")
	check(t, err)
	all, err := readMigrations(fstest.MapFS{
		"migrations/0001_records.sql": {Data: first},
		"migrations/0002_next.sql":    {Data: []byte("-- works with: " + worksWith + "\n" + text)},
	})
	check(t, err)
	return all
}

func TestMigrationsThatAreRefused(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for _, c := range []struct {
		name  string
		files fstest.MapFS
		want  string
	}{
		{"one is missing", fstest.MapFS{"migrations/0002_b.sql": file("-- works with: 1\n")}, "migration 1 is missing"},
		{"a number twice", fstest.MapFS{"migrations/0001_a.sql": file("-- works with: 1\n"), "migrations/0001_b.sql": file("-- works with: 1\n")}, "migration 2 is missing"},
		{"no number", fstest.MapFS{"migrations/first.sql": file("-- works with: 1\n")}, "want a number"},
		{"no first line", fstest.MapFS{"migrations/0001_a.sql": file("create table t ()")}, "want a number"},
		{"works with a later one", fstest.MapFS{"migrations/0001_a.sql": file("-- works with: 2\n")}, "not larger"},
		{"works with none", fstest.MapFS{"migrations/0001_a.sql": file("-- works with: 0\n")}, "not larger"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := readMigrations(c.files); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

// endure writes through replicas while the server is killed and started, and
// then judges what it holds.
func endure(t *testing.T, dsn string, times int, kill, start func()) {
	t.Helper()
	var mu sync.Mutex
	var facts []fact
	told := make(chan struct{}, 1)
	tell := func(f fact) {
		mu.Lock()
		facts = append(facts, f)
		mu.Unlock()
		select {
		case told <- struct{}{}:
		default:
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var crowd sync.WaitGroup
	var away sync.RWMutex // held while the server is away: who has seen it fail waits
	failures := make([]int, 3)
	for replica := range failures {
		s := openServer(t, dsn, time.Now)
		crowd.Go(func() {
			for life := 0; ctx.Err() == nil; life++ { // a name of its own after each failure: nobody knows what became of the last write
				if hammer(ctx, s, fmt.Sprintf("r%dl%d", replica, life), tell) != nil {
					away.RLock()
					failures[replica]++
					away.RUnlock()
				}
			}
		})
	}
	for range times {
		for range 30 {
			<-told
		}
		away.Lock()
		kill()
		start()
		away.Unlock()
	}
	for range 30 { // they recover by themselves
		<-told
	}
	stop()
	crowd.Wait()
	for replica, n := range failures {
		if n == 0 {
			t.Errorf("replica %d saw no failure while the server was away", replica)
		}
	}
	judge(t, openServer(t, dsn, time.Now), facts)
	t.Logf("%d confirmations, %v failures", len(facts), failures)
}

func TestAKilledPostgresLosesNothingThatWasConfirmed(t *testing.T) {
	s := testservers.Postgres(t)
	endure(t, postgresDSN(s), min(faults(t, 3), 20), s.Kill, s.Start)
}
