package login

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"golang.org/x/crypto/argon2"
)

// What one hash of a password costs (RFC 9106): the least that OWASP advises for
// argon2id, and how much more may be configured.
const (
	DefaultMemory = 19 << 10 // KiB
	DefaultPasses = 2
	MaxMemory     = 1 << 20 // KiB
	MaxPasses     = 64
)

const (
	saltBytes = 16
	sumBytes  = 32
	maxPHC    = 256 // bytes of a hash as text
)

// cost is what computing a hash takes. One lane: attempts run beside each other,
// not one attempt on all cores.
type cost struct {
	memory uint32 // KiB
	passes uint32
}

// work is what the time of a hash is proportional to.
func (c cost) work() uint64 { return uint64(c.memory) * uint64(c.passes) }

// passwordHash is what is kept of a password.
type passwordHash struct {
	cost cost
	salt []byte
	sum  []byte
}

// derive is the hash function: argon2id, or a counting one in tests.
type derive func(password string, salt []byte, c cost) []byte

func argon2id(password string, salt []byte, c cost) []byte {
	return argon2.IDKey([]byte(password), salt, c.passes, c.memory, 1, sumBytes)
}

// phcForm is the string format of the password hashing competition for argon2id,
// version 1.3, with the one number of lanes that is written here.
var phcForm = regexp.MustCompile(`^\$argon2id\$v=19\$m=([0-9]{1,7}),t=([0-9]{1,2}),p=1\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$`)

// phc64 leaves no two texts for the same octets.
var phc64 = base64.RawStdEncoding.Strict()

// String returns the hash in the PHC string format, parameters included.
func (h passwordHash) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s",
		argon2.Version, h.cost.memory, h.cost.passes, phc64.EncodeToString(h.salt), phc64.EncodeToString(h.sum))
}

// parseHash reads what String wrote. The error holds nothing of the hash.
func parseHash(s string) (passwordHash, error) {
	var m []string
	if len(s) <= maxPHC {
		m = phcForm.FindStringSubmatch(s)
	}
	if m == nil {
		return passwordHash{}, errors.New("password hash: not argon2id in the PHC string format")
	}
	memory, _ := strconv.ParseUint(m[1], 10, 32) // the form leaves digits only
	passes, _ := strconv.ParseUint(m[2], 10, 32)
	h := passwordHash{cost: cost{memory: uint32(memory), passes: uint32(passes)}}
	if memory < 8 || memory > MaxMemory || passes < 1 || passes > MaxPasses {
		return passwordHash{}, fmt.Errorf("password hash: %d KiB and %d passes, 8 to %d KiB and 1 to %d passes are computed", memory, passes, MaxMemory, MaxPasses)
	}
	var err, err2 error
	h.salt, err = phc64.DecodeString(m[3])
	h.sum, err2 = phc64.DecodeString(m[4])
	if err != nil || err2 != nil || len(h.salt) != saltBytes || len(h.sum) != sumBytes {
		return passwordHash{}, fmt.Errorf("password hash: salt and sum are not %d and %d bytes of base64", saltBytes, sumBytes)
	}
	return h, nil
}
