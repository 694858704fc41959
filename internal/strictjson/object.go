// Package strictjson reads small JSON objects on which security decisions rest: proofs, tokens, keys.
//
// [Parse] gives an [Object]; its members are [Value]s, asked for what they should be (Text, Int, Seconds, Object ...).
// Every refusal is an [*Error] with its own [Reason], the byte offset and the path of member names.
//
// What encoding/json lets through is refused here, because two readers that disagree about one text are an attack:
// duplicate names at any depth (compared after unescaping), trailing data, invalid UTF-8, lone surrogate escapes,
// deep nesting, oversize input. Names are case-sensitive and numbers keep their text.
//
// It does not write JSON, fill structs, or read streams. Ask for the kind you need and treat "not ok" as a refusal:
// a member of the wrong type is not the same as an absent one, see [Missing].
package strictjson

import "iter"

// Object is a parsed JSON object. It is immutable and safe for concurrent use; it keeps the text it was parsed from
// alive. The zero value has no members.
type Object struct {
	members []member
}

type member struct {
	name  string
	value Value
}

// Parse reads text as exactly one JSON object, white space around it allowed. A text longer than limit bytes is
// refused unread. The error is always an [*Error].
func Parse(text string, limit int) (Object, error) {
	if len(text) > limit {
		return Object{}, &Error{Reason: TooLarge, Offset: max(limit, 0)}
	}
	s := scanner{text: text}
	s.space()
	if err := s.opening(); err != nil {
		return Object{}, err
	}
	s.reserve()
	if err := s.object(1); err != nil {
		return Object{}, err
	}
	if s.space(); s.at < len(text) {
		return Object{}, s.fail(Trailing)
	}
	return Object{s.members}, nil
}

// Get returns the member called name, compared octet by octet. The Value of an absent member has Kind [Missing].
func (o Object) Get(name string) (Value, bool) {
	for i := range o.members {
		if o.members[i].name == name {
			return o.members[i].value, true
		}
	}
	return Value{}, false
}

// Len returns the number of members.
func (o Object) Len() int { return len(o.members) }

// IsZero reports whether o is the zero Object, which no text gives: the empty object {} is not zero.
func (o Object) IsZero() bool { return o.members == nil }

// All ranges over the members in the order of the text.
func (o Object) All() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		for _, m := range o.members {
			if !yield(m.name, m.value) {
				return
			}
		}
	}
}

// has reports whether name is among members. It is the duplicate check of a small object.
func has(members []member, name string) bool {
	for i := range members {
		if members[i].name == name {
			return true
		}
	}
	return false
}
