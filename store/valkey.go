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
	var err error
	if v.client, err = newValkeyClient(s, v.dial); err != nil {
		return nil, err
	}
	v.uses = newBatcher(s.timeout, v.useAll)
	return v, nil
}

// newValkeyClient connects. Nothing is sent twice, and nothing is cached.
func newValkeyClient(s *source, dial func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error)) (valkey.Client, error) {
	db, err := strconv.Atoi(s.database)
	if err != nil {
		return nil, err
	}
	return valkey.NewClient(valkey.ClientOption{
		InitAddress: []string{s.address()}, SelectDB: db, TLSConfig: s.tls,
		Username: s.user, Password: s.password.Reveal(),
		Dialer: net.Dialer{Timeout: s.timeout}, ConnWriteTimeout: s.timeout, DialCtxFn: dial,
		ReadBufferEachConn: valkeyBuffer, WriteBufferEachConn: valkeyBuffer, RingScaleEachConn: valkeyRing,
		ForceSingleClient: true, PipelineMultiplex: -1, AlwaysPipelining: true,
		DisableRetry: true, DisableCache: true,
	})
}

func dialValkey(ctx context.Context, address string, d *net.Dialer, c *tls.Config) (net.Conn, error) {
	if c != nil {
		return (&tls.Dialer{NetDialer: d, Config: c}).DialContext(ctx, "tcp", address)
	}
	return d.DialContext(ctx, "tcp", address)
}

// dial counts a connection before anything can be answered over it.
func (v *valkeyServer) dial(ctx context.Context, address string, d *net.Dialer, c *tls.Config) (net.Conn, error) {
	conn, err := dialValkey(ctx, address, d, c)
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
	facts, err := valkeyFacts(ctx, v.client, "server", "memory")
	if err != nil {
		return mark{}, err
	}
	run := facts["run_id"]
	if len(run) != 40 {
		return mark{}, errors.New("INFO names no run_id: a restart could not be seen")
	}
	if err := checkValkey(facts); err != nil {
		return mark{}, err
	}
	b := v.client.B()
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

// checkValkey refuses a server that would forget, or is one of several.
func checkValkey(facts map[string]string) error {
	if mode := facts["redis_mode"]; mode != "standalone" {
		return fmt.Errorf("redis_mode is %.20q, want standalone", mode)
	}
	if policy := facts["maxmemory_policy"]; policy != "noeviction" {
		return fmt.Errorf("maxmemory-policy is %.30q, want noeviction: what is evicted is forgotten", policy)
	}
	return nil
}

// valkeyFacts returns the name:value lines of sections of INFO.
func valkeyFacts(ctx context.Context, c valkey.Client, sections ...string) (map[string]string, error) {
	var commands []valkey.Completed
	for _, section := range sections {
		commands = append(commands, c.B().Info().Section(section).Build())
	}
	facts := map[string]string{}
	for _, res := range c.DoMulti(ctx, commands...) {
		text, err := res.ToString()
		if err != nil {
			return nil, fmt.Errorf("INFO: %w", err)
		}
		for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
			if name, value, ok := strings.Cut(s.Text(), ":"); ok {
				facts[name] = strings.TrimSpace(value)
			}
		}
	}
	return facts, nil
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
