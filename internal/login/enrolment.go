package login

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/store"
)

// What an operator did wrong.
var (
	ErrNoUser = errors.New("there is no user of this name")
	ErrExists = errors.New("there is a user of this name already")
)

// maxTries is how often a change is tried again because of another one.
const maxTries = 8

// Add makes an account. Name is required; Subject, Created and PasswordChanged
// are set here. Errors are ErrExists, what is wrong with the account or the
// password, or that of the store.
func (u *Users) Add(ctx context.Context, a Account, password holdfast.Secret) (Account, error) {
	if err := errors.Join(checkAccount(a), checkPassword(password)); err != nil {
		return Account{}, err
	}
	hash, err := u.newHash(ctx, password)
	if err != nil {
		return Account{}, err
	}
	name, _ := fold(a.Name) // checked above
	now := u.now().UTC()
	who := &record{
		Name: name, Subject: newSubject(), Hash: hash, DisplayName: a.DisplayName, Scopes: a.Scopes, ACR: a.ACR,
		Disabled: a.Disabled, Created: now, Changed: now,
	}
	body, err := json.Marshal(who)
	if err != nil {
		return Account{}, err
	}
	err = u.records.Create(ctx, store.Record{Kind: KindUser, Key: sha256.Sum256([]byte(name)), Body: body})
	if errors.Is(err, store.ErrExists) {
		return Account{}, ErrExists
	}
	if err != nil {
		return Account{}, fmt.Errorf("store account: %w", err)
	}
	return who.account(), nil
}

// SetPassword replaces a password. Sessions that began with the one before go on
// until they are revoked by the Subject of the account that is returned. Errors
// are ErrNoUser, what is wrong with the password, or that of the store.
func (u *Users) SetPassword(ctx context.Context, name string, password holdfast.Secret) (Account, error) {
	if err := checkPassword(password); err != nil {
		return Account{}, err
	}
	hash, err := u.newHash(ctx, password)
	if err != nil {
		return Account{}, err
	}
	return u.change(ctx, name, func(who *record) { who.Hash, who.Changed = hash, u.now().UTC() })
}

// Disable keeps somebody from logging in. Sessions and tokens go on until they
// are revoked by the Subject of the account that is returned. Errors are ErrNoUser
// or that of the store.
func (u *Users) Disable(ctx context.Context, name string) (Account, error) {
	return u.change(ctx, name, func(who *record) { who.Disabled = true })
}

// Enable lets somebody log in again. Errors are ErrNoUser or that of the store.
func (u *Users) Enable(ctx context.Context, name string) (Account, error) {
	return u.change(ctx, name, func(who *record) { who.Disabled = false })
}

// Remove forgets an account and returns what it was; the same holds for sessions
// and tokens as for Disable. Errors are ErrNoUser or that of the store.
func (u *Users) Remove(ctx context.Context, name string) (Account, error) {
	name, err := checkName(name)
	if err != nil {
		return Account{}, err
	}
	stored, who, err := u.read(ctx, name)
	if err != nil {
		return Account{}, err
	}
	if err := u.records.Delete(ctx, KindUser, stored.Key); err != nil {
		return Account{}, fmt.Errorf("remove account: %w", err)
	}
	return who.account(), nil
}

// List returns all accounts in no order. It ends with the first error, which is
// that of the store.
func (u *Users) List(ctx context.Context) iter.Seq2[Account, error] {
	return func(yield func(Account, error) bool) {
		for stored, err := range u.records.List(ctx, KindUser, "") {
			if err != nil {
				yield(Account{}, fmt.Errorf("list accounts: %w", err))
				return
			}
			who, err := readRecord(stored.Body)
			if err != nil {
				yield(Account{}, err)
				return
			}
			if !yield(who.account(), nil) {
				return
			}
		}
	}
}

func checkPassword(password holdfast.Secret) error {
	if !plausible(password) {
		return fmt.Errorf("password: %d bytes, %d to %d are needed", password.Len(), MinPasswordBytes, MaxPasswordBytes)
	}
	return nil
}

// newHash is hash for an operator, who waits with those whose browser is known.
func (u *Users) newHash(ctx context.Context, password holdfast.Secret) (string, error) {
	if err := u.known.enter(ctx); err != nil {
		return "", err
	}
	defer u.known.leave()
	return u.hash(password).String(), nil
}

// change edits an account, and again if somebody else did so meanwhile.
func (u *Users) change(ctx context.Context, name string, edit func(*record)) (Account, error) {
	name, err := checkName(name)
	if err != nil {
		return Account{}, err
	}
	for range maxTries {
		stored, who, err := u.read(ctx, name)
		if err != nil {
			return Account{}, err
		}
		edit(who)
		if stored.Body, err = json.Marshal(who); err != nil {
			return Account{}, err
		}
		switch err = u.records.Swap(ctx, stored); {
		case err == nil:
			return who.account(), nil
		case !errors.Is(err, store.ErrConflict):
			return Account{}, fmt.Errorf("store account: %w", err)
		}
	}
	return Account{}, fmt.Errorf("store account: others changed it %d times meanwhile", maxTries)
}
