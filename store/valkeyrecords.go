package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/valkey-io/valkey-go"
)

const (
	valkeyPage = 128 // keys that a list asks for at a time, and records that it reads at once

	// valkeyGrace is how much longer the server keeps a record: a replica whose
	// clock is behind still sees it.
	valkeyGrace = ClockTolerance
)

// valkeyRecords keeps each record under a key of its own, with the two indexes
// that valkeyscripts.go describes.
type valkeyRecords struct {
	client  valkey.Client
	prefix  string
	scripts struct{ create, swap, remove *valkey.Lua }
}

func openValkeyRecords(ctx context.Context, s *source, now func() time.Time) (Store, error) {
	client, err := newValkeyClient(s, dialValkey)
	if err != nil {
		return nil, err
	}
	call, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := checkValkeyRecords(call, client, s.volatile); err != nil {
		client.Close()
		return nil, err
	}
	v := &valkeyRecords{client: client, prefix: s.prefix}
	hashedThere := valkey.WithLoadSHA1(true) // SHA-1 is not to be had in a FIPS build
	v.scripts.create = valkey.NewLuaScript(valkeyCreate, hashedThere)
	v.scripts.swap = valkey.NewLuaScript(valkeySwap, hashedThere)
	v.scripts.remove = valkey.NewLuaScript(valkeyDelete, hashedThere)
	r := &records{backend: v, now: now}
	r.timeout = s.timeout
	return r, nil
}

// checkValkeyRecords refuses a server that could lose what it has confirmed,
// unless it may be volatile.
func checkValkeyRecords(ctx context.Context, c valkey.Client, volatile bool) error {
	facts, err := valkeyFacts(ctx, c, "server", "memory", "persistence", "replication")
	if err != nil {
		return err
	}
	if err := checkValkey(facts); err != nil {
		return err
	}
	if role := facts["role"]; role != "master" {
		return fmt.Errorf("the server is a %.20q, want the primary", role)
	}
	if volatile {
		return nil
	}
	const remedy = "(or the option volatile=dangerously)"
	if facts["aof_enabled"] != "1" {
		return fmt.Errorf("the server has appendonly no: a restart loses records; want yes %s", remedy)
	}
	policy, err := c.Do(ctx, c.B().ConfigGet().Parameter("appendfsync").Build()).AsStrMap()
	if err != nil {
		return fmt.Errorf("whether the server keeps what it confirms cannot be seen: CONFIG GET appendfsync: %w %s", err, remedy)
	}
	if v := policy["appendfsync"]; v != "always" {
		return fmt.Errorf("the server has appendfsync %.20q: a crash loses records that were confirmed; want always %s", v, remedy)
	}
	return nil
}

// The names of keys. Kinds are letters, so that the bytes behind them begin where
// they seem to.
func (v *valkeyRecords) recordName(k Kind, key [32]byte) string {
	return v.prefix + ":record:" + string(k) + ":" + string(key[:])
}
func (v *valkeyRecords) kindName(k Kind) string    { return v.prefix + ":kind:" + string(k) }
func (v *valkeyRecords) ownerPrefix(k Kind) string { return v.prefix + ":owner:" + string(k) + ":" }

func (v *valkeyRecords) get(ctx context.Context, k Kind, key [32]byte, now int64) (Record, error) {
	b, err := v.client.Do(ctx, v.client.B().Get().Key(v.recordName(k, key)).Build()).AsBytes()
	if valkey.IsValkeyNil(err) {
		return Record{}, ErrNotFound
	}
	if err != nil {
		return Record{}, err
	}
	r, err := decodeRecord(k, key, b)
	if err == nil && now >= r.expiry() {
		return Record{}, ErrNotFound
	}
	return r, err
}

// run runs a script that writes r, and reports whether it did.
func (v *valkeyRecords) run(ctx context.Context, script *valkey.Lua, r *Record, now int64, more ...string) (bool, error) {
	score, ttl := "+inf", ""
	if e := r.expiry(); e != never {
		score = strconv.FormatInt(e, 10)
		ttl = strconv.FormatInt(max(e-now, 0)+valkeyGrace.Milliseconds(), 10)
	}
	args := []string{
		v.ownerPrefix(r.Kind), string(r.Key[:]), strconv.FormatInt(now, 10), strconv.FormatInt(now-valkeyGrace.Milliseconds(), 10),
		score, ttl, string(encodeRecord(r)),
	}
	n, err := script.Exec(ctx, v.client, []string{v.recordName(r.Kind, r.Key), v.kindName(r.Kind)}, append(args, more...)).AsInt64()
	return n == 1, err
}

func (v *valkeyRecords) create(ctx context.Context, r Record, now int64) error {
	done, err := v.run(ctx, v.scripts.create, &r, now)
	if err == nil && !done {
		err = ErrExists
	}
	return err
}

func (v *valkeyRecords) swap(ctx context.Context, r Record, now int64) error {
	former := string(binary.BigEndian.AppendUint64(nil, r.Version))
	r.Version++
	done, err := v.run(ctx, v.scripts.swap, &r, now, former)
	if err == nil && !done {
		err = ErrConflict
	}
	return err
}

func (v *valkeyRecords) remove(ctx context.Context, k Kind, key [32]byte) error {
	return v.scripts.remove.Exec(ctx, v.client, []string{v.recordName(k, key), v.kindName(k)}, []string{v.ownerPrefix(k), string(key[:])}).Error()
}

// pages goes through an index. A scan returns what is there all the time at
// least once, so that what came before has to be remembered.
func (v *valkeyRecords) pages(k Kind, owner string) func(context.Context, int64) ([]Record, bool, error) {
	name := v.kindName(k)
	if owner != "" {
		name = v.ownerPrefix(k) + owner
	}
	var cursor uint64
	var waiting [][32]byte // listed by the index, not read yet
	seen := map[[32]byte]bool{}
	return func(ctx context.Context, now int64) ([]Record, bool, error) {
		if len(waiting) == 0 {
			scan, err := v.client.Do(ctx, v.client.B().Zscan().Key(name).Cursor(cursor).Count(valkeyPage).Build()).AsScanEntry()
			if err != nil {
				return nil, false, err
			}
			cursor = scan.Cursor
			for i := 0; i < len(scan.Elements); i += 2 { // each is followed by its score
				if len(scan.Elements[i]) != 32 {
					return nil, false, errors.New("an index holds what is no key")
				}
				if key := [32]byte([]byte(scan.Elements[i])); !seen[key] {
					seen[key] = true
					waiting = append(waiting, key)
				}
			}
		}
		n := min(len(waiting), valkeyPage)
		found, err := v.read(ctx, k, owner, waiting[:n], now)
		waiting = waiting[n:]
		return found, len(waiting) > 0 || cursor != 0, err
	}
}

// read returns the records of the keys that are there and belong to the owner:
// an index may be behind.
func (v *valkeyRecords) read(ctx context.Context, k Kind, owner string, keys [][32]byte, now int64) (found []Record, err error) {
	if len(keys) == 0 {
		return nil, nil
	}
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = v.recordName(k, key)
	}
	values, err := v.client.Do(ctx, v.client.B().Mget().Key(names...).Build()).ToArray()
	if err != nil {
		return nil, err
	}
	if len(values) != len(keys) {
		return nil, fmt.Errorf("%d values of %d keys", len(values), len(keys))
	}
	for i, value := range values {
		b, err := value.AsBytes()
		if valkey.IsValkeyNil(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		r, err := decodeRecord(k, keys[i], b)
		if err != nil {
			return nil, err
		}
		if now < r.expiry() && (owner == "" || r.Owner == owner) {
			found = append(found, r)
		}
	}
	return found, nil
}

func (v *valkeyRecords) close() error {
	v.client.Close()
	return nil
}
