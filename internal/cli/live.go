// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"sengu.dev/sengu/internal/operation"
	"sengu.dev/sengu/internal/view"
)

// Messages of the live tree.
type (
	newsMsg news
	tickMsg time.Time
	endMsg  struct{}
	acted   struct{ sentence string }
)

// noteTime is how long the answer to a key stays in the last line.
const noteTime = 6 * time.Second

// live is the model of the live tree: what was told last, and how it is looked at.
type live struct {
	palette palette
	// pause and resume act on the run and return a sentence for the last line.
	pause, resume func() string

	now           time.Time
	news          news
	lostSince     time.Time
	note          string
	noteUntil     time.Time
	width, height int
	offset        int  // lines scrolled away
	all           bool // every cluster is shown, however many there are
}

// watchLive shows the tree until the run ends or the person leaves.
func (a *app) watchLive(ctx context.Context, f *follower) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	act := func(do steering, done, already string) func() string {
		return func() string {
			changed, err := do(ctx, f.hub, f.hub.key(f.run))
			switch {
			case err != nil:
				return view.Clean(err.Error())
			case changed:
				return done
			}
			return already
		}
	}
	m := &live{
		palette: a.palette(), now: a.Clock.Now(), width: 80, height: 24,
		pause:  act(operation.Pause, "pausing: clusters in flight go to a safe point", "it is paused already"),
		resume: act(operation.Resume, "resumed", "it is not paused"),
	}
	program := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(a.Streams.In), tea.WithOutput(a.Streams.Out), tea.WithoutSignalHandler())
	followed := make(chan error, 1)
	go func() {
		err := f.follow(ctx, func(n news) bool {
			program.Send(newsMsg(n))
			return n.objects.Run == nil || !view.Final(n.objects.Run)
		})
		program.Send(endMsg{})
		followed <- err
	}()
	ticking := make(chan struct{})
	go func() {
		defer close(ticking)
		ticker := a.Clock.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-ticker.C():
				program.Send(tickMsg(now))
			}
		}
	}()
	_, err := program.Run()
	cancel()
	<-ticking
	if followError := <-followed; followError != nil {
		return followError
	}
	if errors.Is(err, tea.ErrProgramKilled) || errors.Is(err, tea.ErrInterrupted) {
		return nil // the context ended; the caller knows why
	}
	return err
}

// Init does nothing: news and ticks come from outside.
func (m *live) Init() tea.Cmd { return nil }

// Update takes one message in.
func (m *live) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := message.(type) {
	case newsMsg:
		if msg.lost != nil && m.lostSince.IsZero() {
			m.lostSince = m.now
		}
		if msg.lost == nil && !m.lostSince.IsZero() {
			m.lostSince = time.Time{}
			m.say("connected to the hub again")
		}
		if msg.objects.Run == nil {
			msg.objects = m.news.objects
		}
		m.news = news(msg)
	case tickMsg:
		m.now = time.Time(msg)
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case acted:
		m.say(msg.sentence)
	case endMsg:
		return m, tea.Quit
	case tea.KeyPressMsg:
		return m, m.key(msg.String())
	}
	return m, nil
}

func (m *live) say(sentence string) { m.note, m.noteUntil = sentence, m.now.Add(noteTime) }

// key answers a key. Leaving never touches the run.
func (m *live) key(key string) tea.Cmd {
	page := max(1, m.room()-1)
	switch key {
	case "q", "esc", "ctrl+c":
		return tea.Quit
	case "p":
		return func() tea.Msg { return acted{m.pause()} }
	case "r":
		return func() tea.Msg { return acted{m.resume()} }
	case "a":
		m.all = !m.all
	case "up", "k":
		m.offset--
	case "down", "j":
		m.offset++
	case "pgup", "b":
		m.offset -= page
	case "pgdown", "space", "f":
		m.offset += page
	case "home", "g":
		m.offset = 0
	case "end", "G":
		m.offset = len(m.tree())
	}
	m.offset = max(0, min(m.offset, len(m.tree())-m.room()))
	return nil
}

// room is how many lines of the tree fit above the last two.
func (m *live) room() int { return max(1, m.height-2) }

// tree is the tree with as much detail as fits on the screen, unless everything was asked for.
func (m *live) tree() []view.Line {
	if m.news.objects.Run == nil {
		return []view.Line{{{Text: view.Truncate("reading the run from the hub …", m.width), Tone: view.ToneMuted}}}
	}
	run := view.NewRun(m.news.objects, m.now)
	options := view.TreeOptions{Width: m.width, Now: m.now}
	if m.all {
		return view.Tree(&run, options)
	}
	var lines []view.Line
	for _, options.Brief = range []bool{false, true} {
		for _, options.MaxClusters = range []int{50, 30, 20, 12, 8, 5, 3} {
			if lines = view.Tree(&run, options); len(lines) <= m.room() {
				return lines
			}
		}
	}
	return lines
}

// View draws the screen.
func (m *live) View() tea.View {
	lines := m.tree()
	room := m.room()
	m.offset = max(0, min(m.offset, len(lines)-room))
	shown := lines[m.offset:min(len(lines), m.offset+room)]
	var b strings.Builder
	for _, line := range shown {
		b.WriteString(m.palette.line(line) + "\n")
	}
	b.WriteString(strings.Repeat("\n", max(0, room-len(shown))))
	b.WriteString(m.palette.line(m.status()) + "\n")
	b.WriteString(m.palette.line(m.keys(len(lines) > room)))
	v := tea.NewView(b.String())
	v.AltScreen = true
	return v
}

// status is the last line but one: the connection when it is lost, else the answer to a key.
func (m *live) status() view.Line {
	switch {
	case m.news.lost != nil:
		text := "connection to the hub lost " + view.Elapsed(m.now.Sub(m.lostSince)) + " ago, trying again: " + view.Clean(innermost(m.news.lost).Error())
		return view.Line{{Text: view.Truncate(text, m.width), Tone: view.ToneBad}}
	case m.note != "" && m.now.Before(m.noteUntil):
		return view.Line{{Text: view.Truncate(m.note, m.width), Tone: view.ToneStrong}}
	}
	return nil
}

func (m *live) keys(scrolls bool) view.Line {
	text := "q leave (the run goes on)  p pause  r resume"
	if scrolls {
		text += "  ↑↓ scroll"
	}
	if m.all {
		text += "  a fit to the screen"
	} else {
		text += "  a show all"
	}
	return view.Line{{Text: view.Truncate(text, m.width), Tone: view.ToneMuted}}
}
