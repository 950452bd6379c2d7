// SPDX-License-Identifier: Apache-2.0

// Package audit turns what runs, gates and cluster upgrades say into the fleet's record of decisions: a chain of
// entries, each carrying the hash of the one before.
//
// What is recorded follows from the objects and from the chain alone, never from memory: whoever reads both knows what
// is missing, so a process may end between any two lines. Everything here is pure.
package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"sengu.dev/sengu/api/v1alpha1"
)

// Hash is the SHA-256 of a spec without its field hash, in the canonical encoding, as 64 lower-case hex digits.
func Hash(spec *v1alpha1.AuditEntrySpec) (string, error) {
	content, err := json.Marshal(spec)
	if err != nil {
		return "", err
	}
	return hashOf(content)
}

// hashOf hashes a spec that was read as JSON, whatever fields it has: one that somebody added is found too.
func hashOf(content []byte) (string, error) {
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	var spec map[string]any
	if err := decoder.Decode(&spec); err != nil {
		return "", err
	}
	delete(spec, "hash")
	canonical, err := appendCanonical(nil, spec)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:]), nil
}

// appendCanonical writes a value as RFC 8785 does, for what an entry can hold: objects with their keys sorted, no
// spaces, only the escapes that JSON demands, and whole numbers as they are.
func appendCanonical(b []byte, value any) ([]byte, error) {
	var err error
	switch v := value.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return fmt.Appendf(b, "%t", v), nil
	case json.Number:
		return append(b, v.String()...), nil
	case string:
		return appendString(b, v), nil
	case []any:
		b = append(b, '[')
		for i, item := range v {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendCanonical(b, item); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case map[string]any:
		b = append(b, '{')
		for i, key := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, key), ':')
			if b, err = appendCanonical(b, v[key]); err != nil {
				return nil, err
			}
		}
		return append(b, '}'), nil
	}
	return nil, fmt.Errorf("%T has no canonical encoding", value)
}

// shortEscapes are the control characters that have a letter.
var shortEscapes = map[rune]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch escape := shortEscapes[r]; {
		case escape != "":
			b = append(b, escape...)
		case r < 0x20:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
