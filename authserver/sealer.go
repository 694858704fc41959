package authserver

import "github.com/holdfast-oauth/holdfast"

// sealer keeps things in the browser that the browser must not read or change,
// and hashes values that could be guessed.
type sealer struct{}

func newSealer(keys []holdfast.Secret) (*sealer, error) { return &sealer{}, nil }

// seal returns plain as base64url, encrypted and bound to a purpose; open
// reverses it and reports whether it was ours.
func (k *sealer) seal(purpose string, plain []byte) string { return "" }

func (k *sealer) open(purpose, sealed string) ([]byte, bool) { return nil, false }

// hash is a keyed hash of a value of low entropy, such as a user code: the key
// of a record.
func (k *sealer) hash(purpose, value string) [32]byte { return [32]byte{} }
