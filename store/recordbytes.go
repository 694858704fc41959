package store

import (
	"encoding/binary"
	"errors"
)

// Layout of a record as bytes, in bbolt and in Valkey, where a script reads the
// fixed part: one byte of format, version and expiry as 8 bytes each, the length
// of the owner as 2, all big-endian; then the owner, then the body.
const (
	recordFormat   = 1
	recordVersion  = 1  // offset of the version
	recordExpiry   = 9  // of the expiry
	recordOwnerLen = 17 // of the length of the owner
	recordFixed    = 19 // where the owner begins
)

var errRecordBytes = errors.New("the stored bytes are not a record of this release: damaged, or written by a later one")

// encodeRecord returns the bytes of a record. Kind and key are not part of it.
func encodeRecord(r *Record) []byte {
	b := make([]byte, recordFixed, recordFixed+len(r.Owner)+len(r.Body))
	b[0] = recordFormat
	binary.BigEndian.PutUint64(b[recordVersion:], r.Version)
	binary.BigEndian.PutUint64(b[recordExpiry:], uint64(r.expiry()))
	binary.BigEndian.PutUint16(b[recordOwnerLen:], uint16(len(r.Owner)))
	return append(append(b, r.Owner...), r.Body...)
}

// decodeRecord reads what encodeRecord wrote. It keeps no reference to b.
func decodeRecord(k Kind, key [32]byte, b []byte) (Record, error) {
	if len(b) < recordFixed || len(b) > recordFixed+MaxOwnerBytes+maxStoredBytes || b[0] != recordFormat {
		return Record{}, errRecordBytes
	}
	expiry := int64(binary.BigEndian.Uint64(b[recordExpiry:]))
	owner := int(binary.BigEndian.Uint16(b[recordOwnerLen:]))
	rest := b[recordFixed:]
	if expiry < 0 || owner > min(len(rest), MaxOwnerBytes) || len(rest)-owner > maxStoredBytes {
		return Record{}, errRecordBytes
	}
	return Record{
		Kind: k, Key: key, Owner: string(rest[:owner]), Version: binary.BigEndian.Uint64(b[recordVersion:]),
		Expires: expiryTime(expiry), Body: append([]byte(nil), rest[owner:]...),
	}, nil
}
