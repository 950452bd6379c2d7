// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// progress counts what the go command says and puts it in one line for people.
type progress struct {
	what  string
	start time.Time

	mu         sync.Mutex
	downloaded int
	toCompile  map[string]bool // nil until it is known
	total      int
	compiled   int
}

// seen takes one line of the go command's output and reports whether it was about progress.
func (p *progress) seen(line string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if strings.HasPrefix(line, "go: downloading ") {
		p.downloaded++
		return true
	}
	if p.toCompile[line] {
		p.compiled++
		delete(p.toCompile, line)
		return true
	}
	// With -v the go command names a cached package too when only its final step runs again. A package that is
	// compiled anew for a test reads "a/b [a/c.test]".
	name, _, _ := strings.Cut(line, " [")
	return strings.Contains(name, "/") && !strings.ContainsAny(name, " :#\t")
}

// compiling sets what has to be compiled.
func (p *progress) compiling(stale map[string]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.toCompile, p.total = stale, len(stale)
}

// line says how far the build is at an instant.
func (p *progress) line(now time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	took := now.Sub(p.start).Round(time.Second)
	switch {
	case p.toCompile == nil && p.downloaded > 0:
		return fmt.Sprintf("building %s: %s modules downloaded (%s; kept for the next build)", p.what, thousands(p.downloaded), took)
	case p.toCompile == nil:
		return fmt.Sprintf("building %s: looking for what is not built yet (%s)", p.what, took)
	case p.compiled < p.total:
		return fmt.Sprintf("building %s: %s of %s packages (%s; %s)",
			p.what, thousands(p.compiled), thousands(p.total), took, p.weight())
	default:
		return fmt.Sprintf("building %s: all %s packages compiled, finishing (%s)", p.what, thousands(p.total), took)
	}
}

// weight says what kind of build this is: above 1,000 packages it is Kubernetes and not one's own change.
func (p *progress) weight() string {
	if p.total > 1000 {
		return "cold build, mostly other people's packages; cached afterwards"
	}
	return "cached afterwards"
}

// done is the closing line of a build, empty for one that was shorter than quiet.
func (p *progress) done(quiet time.Duration) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	took := time.Since(p.start)
	if took < quiet {
		return ""
	}
	return fmt.Sprintf("built %s: %s packages compiled in %s", p.what, thousands(p.compiled), took.Round(time.Second))
}

// every prints the line once an interval until stop is called, which may happen twice.
func (p *progress) every(interval time.Duration, out io.Writer) (stop func()) {
	ticker, ended := time.NewTicker(interval), make(chan struct{})
	go func() {
		for {
			select {
			case now := <-ticker.C:
				fmt.Fprintln(out, p.line(now))
			case <-ended:
				return
			}
		}
	}()
	return sync.OnceFunc(func() {
		ticker.Stop()
		close(ended)
	})
}

// thousands writes 2310 as 2,310.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
