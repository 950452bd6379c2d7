// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// What the record says about time was true for the clock and the process that wrote it. Neither has to be there any
// more: a process may come up a day later, and a clock may be set.

// rememberOnlyThePast corrects a record that was written by a clock that was ahead. What is said to have begun in the
// future begins now, and a wait from the future is over: else everything would stand still until that future comes.
func (p *pass) rememberOnlyThePast() {
	if w := p.was.Waiting; w != nil && w.Since != nil && w.Since.After(p.now) {
		was := *p.was
		was.Waiting = nil
		p.was = &was
	}
	for i := range p.st.NodePools {
		for j := range p.st.NodePools[i].Draining {
			p.notLaterThanNow(&p.st.NodePools[i].Draining[j].Since)
		}
	}
	for i := range p.st.Operations {
		p.notLaterThanNow(&p.st.Operations[i].RequestedAt)
	}
	for i := range p.st.Steps {
		if p.st.Steps[i].Result == v1alpha1.StepResultRunning {
			p.notLaterThanNow(&p.st.Steps[i].StartedAt)
		}
	}
}

func (p *pass) notLaterThanNow(t **metav1.Time) {
	if *t != nil && (*t).After(p.now) {
		*t = p.stamp()
	}
}

// beginDrainsAnew gives those drains their whole time again whose time ended while nobody looked: nothing was evicted
// meanwhile, so it says nothing about the pods.
func (p *pass) beginDrainsAnew() {
	if !p.s.Away {
		return
	}
	for i := range p.st.NodePools {
		timeout := p.settings(p.st.NodePools[i].Name).drainTimeout
		draining := p.st.NodePools[i].Draining
		for j := range draining {
			if d := &draining[j]; d.State == stateDraining && d.Since != nil && !p.now.Before(d.Since.Add(timeout)) {
				d.Since = p.stamp()
			}
		}
	}
}

// tooLate says whether the time of something is over, by a look that follows another one. A first look after a while
// may see what has not settled yet, so there is a second one.
func (p *pass) tooLate(deadline time.Time) bool {
	if p.now.Before(deadline) {
		return false
	}
	if p.s.Away {
		p.lookAt(p.now.Add(pollEvery))
		return false
	}
	return true
}
