package login

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/store"
)

// KindUser is the kind of an account in the store. Its key is the SHA-256 of the
// name.
const KindUser store.Kind = "user"

// UsersConfig configures [NewUsers]. Store is required.
type UsersConfig struct {
	// Store keeps the accounts. It seals what it is given: hashes of passwords
	// are among it.
	Store store.Store

	Memory int // of one password hash in KiB; 0 means DefaultMemory, which is the least
	Passes int // over that memory; 0 means DefaultPasses, which is the least

	Now func() time.Time // nil means time.Now
}

// Users knows people by name and password. It is an authserver.Directory.
//
// A password is 8 to 1024 bytes, compared as they are: nothing is trimmed, folded
// or normalised. It is kept as an argon2id hash (RFC 9106) with the parameters it
// was made with; at the next login it is made anew if those of the configuration
// have changed. Safe for concurrent use; there is no usable zero value.
type Users struct {
	records store.Store
	now     func() time.Time
	cost    cost
	derive  derive
	limits  *throttle
	known   gate
	others  gate
	decoy   passwordHash // judged for names that do not exist
}

// NewUsers checks the configuration and reports every mistake at once. It asks
// the store for nothing.
func NewUsers(c UsersConfig) (*Users, error) {
	memory, passes := c.Memory, c.Passes
	if memory == 0 {
		memory = DefaultMemory
	}
	if passes == 0 {
		passes = DefaultPasses
	}
	var errs []error
	if c.Store == nil {
		errs = append(errs, errors.New("users: Store is required"))
	}
	if memory < DefaultMemory || memory > MaxMemory {
		errs = append(errs, fmt.Errorf("users: Memory is %d KiB, %d to %d are needed", memory, DefaultMemory, MaxMemory))
	}
	if passes < DefaultPasses || passes > MaxPasses {
		errs = append(errs, fmt.Errorf("users: Passes is %d, %d to %d are needed", passes, DefaultPasses, MaxPasses))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return newUsers(c.Store, c.Now, cost{uint32(memory), uint32(passes)}, argon2id), nil
}

func newUsers(records store.Store, now func() time.Time, c cost, d derive) *Users {
	if now == nil {
		now = time.Now
	}
	u := &Users{
		records: records, now: now, cost: c, derive: d, limits: newThrottle(),
		known: newGate(MaxKnownHashes, MaxWaiting), others: newGate(MaxHashes, MaxWaiting),
		decoy: passwordHash{cost: c, salt: make([]byte, saltBytes), sum: make([]byte, sumBytes)},
	}
	_, _ = rand.Read(u.decoy.salt)
	_, _ = rand.Read(u.decoy.sum)
	return u
}

// Authenticate implements authserver.Directory. What it does for a name that
// does not exist, or is disabled, is what it does for a wrong password: one read
// of the store and one hash of the present cost.
//
// Failures slow further attempts on the name, and from the address if one is
// known, as the constants say. Attempts of a known browser are counted apart and
// have places of their own to be computed in, so that attacks by others do not
// keep the person out. Somebody at a new browser competes with an attacker for
// the next attempt that is judged, at most MaxDelay later.
func (u *Users) Authenticate(ctx context.Context, a authserver.Attempt) (authserver.Person, error) {
	name, ok := fold(a.Name)
	if !ok {
		name = "" // which nobody has
	}
	counted, err := u.limits.charge(u.now(), name, a.Remote, a.Known)
	if err != nil {
		return authserver.Person{}, err
	}
	person, err := u.judge(ctx, name, a)
	switch {
	case err == nil:
		counted.succeeded()
	case !errors.Is(err, authserver.ErrWrongPassword):
		counted.notJudged()
	}
	return person, err
}

// judge compares a password with the one that is kept for name.
func (u *Users) judge(ctx context.Context, name string, a authserver.Attempt) (authserver.Person, error) {
	stored, who, err := u.read(ctx, name)
	if err != nil && !errors.Is(err, ErrNoUser) {
		return authserver.Person{}, err
	}
	kept := u.decoy
	if who != nil {
		if kept, err = parseHash(who.Hash); err != nil {
			return authserver.Person{}, err
		}
	}
	places := u.others
	if a.Known {
		places = u.known
	}
	if err := places.enter(ctx); err != nil {
		return authserver.Person{}, err
	}
	defer places.leave()
	password := a.Password.Reveal()
	if !plausible(a.Password) {
		password = "" // which nobody has
	}
	same := subtle.ConstantTimeCompare(u.derive(password, kept.salt, kept.cost), kept.sum) == 1
	if !same || who == nil || who.Disabled {
		u.topUp(kept.cost)
		return authserver.Person{}, authserver.ErrWrongPassword
	}
	if kept.cost != u.cost {
		who.Hash = u.hash(a.Password).String()
		if stored.Body, err = json.Marshal(who); err == nil {
			// Whether it is stored or not, the login was right: the next one
			// tries again.
			_ = u.records.Swap(ctx, stored)
		}
	}
	return who.person(u.now()), nil
}

// topUp does the work that an older and cheaper hash has saved, so that its time
// does not tell that the name exists.
func (u *Users) topUp(done cost) {
	missing := int64(u.cost.work()) - int64(done.work())
	if missing < 8 { // KiB, the least of argon2
		return
	}
	most := int64(u.cost.memory)
	passes := (missing + most - 1) / most
	u.derive("", u.decoy.salt, cost{memory: uint32(missing / passes), passes: uint32(passes)})
}

// hash makes what is kept of a password. The caller has a place to compute in.
func (u *Users) hash(password holdfast.Secret) passwordHash {
	h := passwordHash{cost: u.cost, salt: make([]byte, saltBytes)}
	_, _ = rand.Read(h.salt) // never fails: crypto/rand ends the program instead
	h.sum = u.derive(password.Reveal(), h.salt, h.cost)
	return h
}

// read returns the account of a name in its one spelling. The error is ErrNoUser
// or that of the store.
func (u *Users) read(ctx context.Context, name string) (store.Record, *record, error) {
	stored, err := u.records.Get(ctx, KindUser, sha256.Sum256([]byte(name)))
	if errors.Is(err, store.ErrNotFound) {
		return stored, nil, ErrNoUser
	}
	if err != nil {
		return stored, nil, fmt.Errorf("read account: %w", err)
	}
	who, err := readRecord(stored.Body)
	return stored, who, err
}
