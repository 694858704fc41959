package store

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/holdfast-oauth/holdfast"
)

// How the connection is used. Small buffers: a batch is a few kilobytes.
const (
	valkeyBuffer = 64 << 10
	valkeyRing   = 12 // 2^12 commands may wait on the connection
)

// valkeyServer is a Valkey or Redis server. All calls share one connection, so
// that all of them, and what is found out about the server, are answered by the
// same process.
type valkeyServer struct {
	client valkey.Client
	prefix string
	uses   *batcher
	dials  atomic.Uint64          // connections made so far
	epoch  atomic.Pointer[string] // name of the key that holds the epoch of this run
}

func openValkey(s *source) (*valkeyServer, error) {
	v := &valkeyServer{prefix: s.prefix}
	v.epoch.Store(new(string))
	db, err := strconv.Atoi(s.database)
	if err != nil {
		return nil, err
	}
	v.client, err = valkey.NewClient(valkey.ClientOption{
		InitAddress: []string{s.address()}, SelectDB: db, TLSConfig: s.tls,
		Username: s.user, Password: s.password.Reveal(),
		Dialer: net.Dialer{Timeout: s.timeout}, ConnWriteTimeout: s.timeout, DialCtxFn: v.dial,
		ReadBufferEachConn: valkeyBuffer, WriteBufferEachConn: valkeyBuffer, RingScaleEachConn: valkeyRing,
		ForceSingleClient: true, PipelineMultiplex: -1, AlwaysPipelining: true,
		DisableRetry: true, DisableCache: true,
	})
	if err != nil {
		return nil, err
	}
	v.uses = newBatcher(s.timeout, v.useAll)
	return v, nil
}

// dial counts a connection before anything can be answered over it.
func (v *valkeyServer) dial(ctx context.Context, address string, d *net.Dialer, c *tls.Config) (conn net.Conn, err error) {
	if c != nil {
		conn, err = (&tls.Dialer{NetDialer: d, Config: c}).DialContext(ctx, "tcp", address)
	} else {
		conn, err = d.DialContext(ctx, "tcp", address)
	}
	v.dials.Add(1)
	return conn, err
}

func (v *valkeyServer) close() {
	v.uses.close()
	v.client.Close()
}

// key names an id. Its bytes go in as they are: half the size of hexadecimal.
func (v *valkeyServer) key(id holdfast.ReplayID) string { return v.prefix + ":jti:" + string(id[:]) }

// useAll writes the ids and then reads the epoch: if the memory was lost before
// a write, the epoch is gone by the time it is read. The spans are relative:
// with an absolute time, a server whose clock is ahead would forget at once.
func (v *valkeyServer) useAll(ctx context.Context, calls []*useCall) {
	b := v.client.B()
	commands := make([]valkey.Completed, 0, len(calls)+1)
	for _, c := range calls {
		commands = append(commands, b.Set().Key(v.key(c.id)).Value("1").Nx().Px(c.ttl).Build())
	}
	commands = append(commands, b.Get().Key(*v.epoch.Load()).Build())
	answers := v.client.DoMulti(ctx, commands...)
	m, err := v.mark(answers[len(calls)])
	for i, c := range calls {
		switch refused := answers[i].Error(); {
		case valkey.IsValkeyNil(refused): // it is there
		case refused != nil:
			c.err = valkeyError(refused)
		default:
			c.first, c.mark, c.err = err == nil, m, err
		}
	}
}

func (v *valkeyServer) use(ctx context.Context, id holdfast.ReplayID, ttl time.Duration) (bool, mark, error) {
	return v.uses.use(ctx, id, ttl)
}

func (v *valkeyServer) peek(ctx context.Context, id holdfast.ReplayID) (bool, mark, error) {
	b := v.client.B()
	res := v.client.DoMulti(ctx, b.Exists().Key(v.key(id)).Build(), b.Get().Key(*v.epoch.Load()).Build())
	n, err := res[0].AsInt64()
	if err != nil {
		return false, mark{}, valkeyError(err)
	}
	m, err := v.mark(res[1])
	return n > 0, m, err
}

// mark reads an answer to GET; no epoch is the empty one.
func (v *valkeyServer) mark(res valkey.ValkeyResult) (mark, error) {
	epoch, err := res.ToString()
	if err != nil && !valkey.IsValkeyNil(err) {
		return mark{}, valkeyError(err)
	}
	return mark{epoch, v.dials.Load()}, nil
}

// look finds out which run of the server is there. A restart or a failover
// gives another run id, also where a snapshot brings back the epoch without the
// last ids: the epoch is therefore kept under the run id.
func (v *valkeyServer) look(ctx context.Context, fresh string) (mark, error) {
	m := mark{conn: v.dials.Load()} // before asking: a later connection needs another look
	b := v.client.B()
	var facts [2]map[string]string
	for i, res := range v.client.DoMulti(ctx, b.Info().Section("server").Build(), b.Info().Section("memory").Build()) {
		text, err := res.ToString()
		if err != nil {
			return mark{}, fmt.Errorf("INFO: %w", valkeyError(err))
		}
		facts[i] = infoFields(text)
	}
	run := facts[0]["run_id"]
	if len(run) != 40 {
		return mark{}, errors.New("INFO names no run_id: a restart could not be seen")
	}
	if mode := facts[0]["redis_mode"]; mode != "standalone" {
		return mark{}, fmt.Errorf("redis_mode is %.20q, want standalone", mode)
	}
	if policy := facts[1]["maxmemory_policy"]; policy != "noeviction" {
		return mark{}, fmt.Errorf("maxmemory-policy is %.30q, want noeviction: an evicted id could be used again", policy)
	}
	key := v.prefix + ":epoch:" + run
	res := v.client.DoMulti(ctx, b.Set().Key(key).Value(fresh).Nx().Build(), b.Get().Key(key).Build())
	if err := res[0].Error(); err != nil && !valkey.IsValkeyNil(err) {
		return mark{}, valkeyError(err)
	}
	epoch, err := res[1].ToString()
	if err != nil {
		return mark{}, valkeyError(err)
	}
	m.epoch = epoch
	v.epoch.Store(&key)
	return m, nil
}

// infoFields reads the name:value lines of INFO.
func infoFields(text string) map[string]string {
	out := map[string]string{}
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		if name, value, ok := strings.Cut(s.Text(), ":"); ok {
			out[name] = strings.TrimSpace(value)
		}
	}
	return out
}

// valkeyError names the one refusal of the server that has a code of its own.
func valkeyError(err error) error {
	if e, ok := valkey.IsValkeyErr(err); ok && strings.HasPrefix(e.Error(), "OOM ") {
		return fmt.Errorf("%w: %w", holdfast.CodeServerReplayFull, err)
	}
	return err
}

// swapIfSame sets a key if its value is the expected one, or if there is none
// and none is expected.
const swapIfSame = `
local now = redis.call('GET', KEYS[1]) or ''
if now ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1`

func (v *valkeyServer) nonceKeys() string { return v.prefix + ":noncekeys" }

func (v *valkeyServer) loadKeys(ctx context.Context) ([]byte, error) {
	b, err := v.client.Do(ctx, v.client.B().Get().Key(v.nonceKeys()).Build()).AsBytes()
	if valkey.IsValkeyNil(err) {
		return nil, nil
	}
	return b, err
}

func (v *valkeyServer) swapKeys(ctx context.Context, former, next []byte) (bool, error) {
	n, err := v.client.Do(ctx, v.client.B().Eval().Script(swapIfSame).Numkeys(1).Key(v.nonceKeys()).
		Arg(string(former), string(next)).Build()).AsInt64()
	return n == 1, err
}
