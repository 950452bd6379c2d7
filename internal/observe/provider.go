// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"errors"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/upgrade"
	"sengu.dev/sengu/provider"
)

// described is the provider's last answer. A drain makes many passes a second; the provider is asked again
// only when something can have changed there.
type described struct {
	description *provider.Description
	offers      *provider.Offers
	operations  map[string]*provider.Operation
	askedAt     time.Time
	askAgain    time.Time
	offersAt    time.Time
	offersFor   string
}

// offersAge is how old the list of offered versions may get; providers publish new ones a few times a month.
const offersAge = 10 * time.Minute

// Touch makes the next look ask the provider again: something was changed there.
func (h *Handle) Touch() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.described.askAgain = time.Time{}
}

// Describe returns the provider's description, at most as old as its pace allows.
func (h *Handle) Describe(ctx context.Context, now time.Time) (*provider.Description, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.describe(ctx, now)
}

func (h *Handle) describe(ctx context.Context, now time.Time) (*provider.Description, error) {
	if h.described.description != nil && h.fresh(now) {
		return h.described.description, nil
	}
	d, err := h.provider.Describe(ctx)
	if err != nil {
		h.described.description = nil
		return nil, err
	}
	h.described.description = d
	h.described.operations = map[string]*provider.Operation{}
	h.described.askedAt, h.described.askAgain = now, h.LookAgain(now)
	return d, nil
}

// fresh says whether the last answer still counts. One from the future does not: the clock was set back, and the answer
// would count until that future has come.
func (h *Handle) fresh(now time.Time) bool {
	return now.Before(h.described.askAgain) && !now.Before(h.described.askedAt)
}

// Offers returns what the cluster is offered, at most offersAge old and made for its present version.
func (h *Handle) Offers(ctx context.Context, now time.Time) (*provider.Offers, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	version := ""
	if h.described.description != nil {
		version = h.described.description.ControlPlaneVersion
	}
	if h.described.offers != nil && h.described.offersFor == version && !aged(h.described.offersAt, now, offersAge) {
		return h.described.offers, nil
	}
	o, err := h.provider.Offers(ctx)
	if err != nil {
		return nil, err
	}
	h.described.offers, h.described.offersAt, h.described.offersFor = o, now, version
	return o, nil
}

// aged says whether something is older than it may get, or from the future.
func aged(at, now time.Time, most time.Duration) bool {
	age := now.Sub(at)
	return age < 0 || age >= most
}

// Operation looks at an operation; one that has ended is not asked for again.
func (h *Handle) Operation(ctx context.Context, now time.Time, id string) (*provider.Operation, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if op := h.described.operations[id]; op != nil && (op.Done() || h.fresh(now)) {
		return op, nil
	}
	op, err := h.provider.Operation(ctx, id)
	if err != nil {
		return nil, err
	}
	if h.described.operations == nil {
		h.described.operations = map[string]*provider.Operation{}
	}
	h.described.operations[id] = op
	return op, nil
}

// latestLook bounds how long a provider may want to be left alone, so that one with another idea of the time than this
// machine is not forgotten.
const latestLook = 15 * time.Minute

// LookAgain is when it is worth asking the provider again.
func (h *Handle) LookAgain(now time.Time) time.Time {
	if p, ok := h.provider.(provider.Pacer); ok {
		if next := p.LookAgain(now); next.After(now.Add(latestLook)) {
			return now.Add(latestLook)
		} else if next.After(now) {
			return next
		}
	}
	return now.Add(provider.DefaultPace)
}

// Problem turns an error into what a decider can decide on. A context that was canceled is a retry.
func Problem(err error) *upgrade.Problem {
	if err == nil {
		return nil
	}
	p := &upgrade.Problem{Kind: upgrade.ProblemRetry, Code: provider.CodeOf(err), Message: sentence(err)}
	switch {
	case errors.Is(err, provider.ErrRejected):
		p.Kind = upgrade.ProblemRejected
	case errors.Is(err, provider.ErrWait):
		p.Kind = upgrade.ProblemWait
	}
	if pe, ok := errors.AsType[*provider.Error](err); ok {
		p.Until = pe.Until
	}
	if p.Code == "" {
		p.Code = v1alpha1.ReasonRetrying
	}
	return p
}

func providerState(d *provider.Description, p provider.Provider, images []string) *upgrade.Provider {
	_, upgradesPools := p.(provider.NodePoolUpgrader)
	_, replacesNodes := p.(provider.NodeReplacer)
	out := &upgrade.Provider{
		Version:       d.ControlPlaneVersion,
		Running:       d.State == provider.ControlPlaneRunning,
		State:         d.StateText,
		BusyWith:      d.BusyWith,
		UpgradesPools: upgradesPools,
		ReplacesNodes: replacesNodes,
		Images:        images,
		Operations:    map[string]upgrade.Operation{},
	}
	if out.State == "" {
		out.State = string(d.State)
	}
	for _, np := range d.NodePools {
		pool := upgrade.Pool{Name: np.Name, Mode: v1alpha1.PoolMode(np.Mode), Version: np.Version, Image: np.Image, Desired: np.Desired}
		for _, n := range np.Nodes {
			pool.Nodes = append(pool.Nodes, upgrade.ProviderNode{Name: n.Name, Version: n.Version, Image: n.Image, Ready: n.Ready})
		}
		out.Pools = append(out.Pools, pool)
	}
	return out
}

func operationState(op *provider.Operation) upgrade.Operation {
	return upgrade.Operation{
		ID: op.ID, Done: op.Done(), Succeeded: op.State == provider.OperationSucceeded,
		Code: op.Code, Message: op.Message, Node: op.Node, PercentComplete: op.PercentComplete,
	}
}
