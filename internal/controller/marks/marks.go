// SPDX-License-Identifier: Apache-2.0

// Package marks remembers, in an annotation of each object, what was done about it that its record does not show:
// which receivers were told of what, which spans were exported. The marks go with their object, and a process that
// comes up knows what the one before it did.
package marks

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Marks are the keys of what was done, by whom it was done for.
type Marks map[string][]string

// Has says whether a key is marked.
func (m Marks) Has(who, key string) bool { return slices.Contains(m[who], key) }

// Keep leaves only the keys that can still come up: a fact that is over never comes back under its key.
func (m Marks) Keep(keys func(key string) bool) {
	for who := range m {
		m[who] = slices.DeleteFunc(m[who], func(key string) bool { return !keys(key) })
		if len(m[who]) == 0 {
			delete(m, who)
		}
	}
}

// clone copies the marks with their lists.
func (m Marks) clone() Marks {
	c := Marks{}
	for who, keys := range m {
		c[who] = slices.Clone(keys)
	}
	return c
}

// Book reads and writes the marks of the objects of one kind. It is safe for concurrent use.
type Book struct {
	hub        client.Writer
	annotation string

	mu    sync.Mutex
	fresh map[types.NamespacedName]page
}

// page is what this process has marked: its watch may not show it yet, or the write may have failed.
type page struct {
	uid   types.UID
	marks Marks
}

// NewBook returns a book of marks in an annotation.
func NewBook(hub client.Writer, annotation string) *Book {
	return &Book{hub: hub, annotation: annotation, fresh: map[types.NamespacedName]page{}}
}

// Of returns the marks of an object, to be changed by the caller and written with Write.
func (b *Book) Of(o client.Object) Marks {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p, ok := b.fresh[client.ObjectKeyFromObject(o)]; ok && p.uid == o.GetUID() {
		return p.marks.clone()
	}
	m, _ := b.read(o)
	return m
}

// read returns what the object's annotation says. One that a person broke says nothing.
func (b *Book) read(o client.Object) (m Marks, ok bool) {
	text := o.GetAnnotations()[b.annotation]
	if text == "" || json.Unmarshal([]byte(text), &m) != nil || m == nil {
		return Marks{}, text == ""
	}
	return m, true
}

// Write keeps the marks, first here and then in the object. When the hub does not take them they are written by the
// next call.
func (b *Book) Write(ctx context.Context, o client.Object, m Marks) error {
	key := client.ObjectKeyFromObject(o)
	b.mu.Lock()
	b.fresh[key] = page{o.GetUID(), m.clone()}
	b.mu.Unlock()
	if stored, ok := b.read(o); ok && maps.EqualFunc(stored, m, slices.Equal) {
		return nil
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	// The uid makes the hub refuse marks for another object of the same name.
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": o.GetUID(), "annotations": map[string]string{b.annotation: string(text)},
	}})
	if err != nil {
		return err
	}
	target := o.DeepCopyObject().(client.Object)
	return client.IgnoreNotFound(b.hub.Patch(ctx, target, client.RawPatch(types.MergePatchType, patch)))
}

// Forget drops what is remembered of an object that is gone.
func (b *Book) Forget(key types.NamespacedName) {
	b.mu.Lock()
	delete(b.fresh, key)
	b.mu.Unlock()
}
