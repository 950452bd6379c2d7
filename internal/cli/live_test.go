// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"sengu.dev/sengu/internal/view"
	"sengu.dev/sengu/internal/view/viewtest"
)

// screen is a live tree that is fed by hand.
type screen struct {
	t     *testing.T
	model *live
}

func newScreen(t *testing.T, width, height int, scene *viewtest.Scene) *screen {
	s := &screen{t: t, model: &live{
		palette: palette{}, now: viewtest.Now,
		pause: func() string { return "pausing" }, resume: func() string { return "resumed" },
	}}
	s.send(tea.WindowSizeMsg{Width: width, Height: height})
	if scene != nil {
		s.send(newsMsg{objects: scene.RunObjects})
	}
	return s
}

// send feeds messages; what they ask for is fed as well, except the end, which is returned.
func (s *screen) send(messages ...tea.Msg) (ended bool) {
	s.t.Helper()
	for _, m := range messages {
		_, command := s.model.Update(m)
		if command == nil {
			continue
		}
		next := command()
		if _, quit := next.(tea.QuitMsg); quit {
			return true
		}
		ended = s.send(next) || ended
	}
	return ended
}

func key(text string) tea.KeyPressMsg {
	return tea.KeyPressMsg{Code: []rune(text)[0], Text: text}
}

// lines are what the screen shows.
func (s *screen) lines() []string { return strings.Split(s.model.View().Content, "\n") }

func (s *screen) shows(want string) {
	s.t.Helper()
	if !strings.Contains(s.model.View().Content, want) {
		s.t.Errorf("the screen does not show %q:\n%s", want, s.model.View().Content)
	}
}

func (s *screen) hides(text string) {
	s.t.Helper()
	if strings.Contains(s.model.View().Content, text) {
		s.t.Errorf("the screen shows %q:\n%s", text, s.model.View().Content)
	}
}

func TestTheScreenIsFilledAndNeverOverflows(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {40, 10}, {20, 3}, {200, 100}} {
		for name, scene := range map[string]*viewtest.Scene{"nothing yet": nil, "draining": viewtest.Draining(), "many": viewtest.Draining().Many(3000)} {
			s := newScreen(t, size[0], size[1], scene)
			lines := s.lines()
			if len(lines) != max(size[1], 3) {
				t.Errorf("%s at %v: %d lines", name, size, len(lines))
			}
			for _, line := range lines {
				if view.Width(line) > size[0] {
					t.Errorf("%s at %v: %d cells in %q", name, size, view.Width(line), line)
				}
			}
		}
	}
}

func TestTimeGoesOnWithoutNews(t *testing.T) {
	s := newScreen(t, 120, 40, viewtest.Draining())
	s.shows("needs 3) for 12s")
	s.send(tickMsg(viewtest.Now.Add(5 * time.Second)))
	s.shows("needs 3) for 17s")
	s.shows("9m17s")
}

func TestALostConnectionIsSaidUntilItIsBack(t *testing.T) {
	s := newScreen(t, 120, 40, viewtest.Draining())
	s.send(newsMsg{lost: errors.New("connection refused")}, tickMsg(viewtest.Now.Add(7*time.Second)))
	s.shows("connection to the hub lost 7s ago, trying again: connection refused")
	s.shows("stage canary") // what was known stays
	s.send(newsMsg{objects: viewtest.Draining().RunObjects})
	s.shows("connected to the hub again")
	s.send(tickMsg(viewtest.Now.Add(time.Minute)))
	s.hides("connected to the hub again")
}

func TestKeysSteerTheRun(t *testing.T) {
	s := newScreen(t, 120, 40, viewtest.Draining())
	s.send(key("p"))
	s.shows("pausing")
	s.send(key("r"))
	s.shows("resumed")
	for _, leave := range []tea.KeyPressMsg{key("q"), {Code: tea.KeyEscape}, {Code: 'c', Mod: tea.ModCtrl}} {
		if !s.send(leave) {
			t.Errorf("%q does not leave", leave.String())
		}
	}
	if !s.send(endMsg{}) {
		t.Error("the end of the run does not end the screen")
	}
}

func TestALargeFleetFitsAndCanBeScrolledThrough(t *testing.T) {
	s := newScreen(t, 100, 24, viewtest.Draining().Many(300))
	s.shows("node user-7")
	s.shows("stage production")
	s.hides("prod-europe-0300")
	s.send(key("a"))
	s.shows("↑↓ scroll")
	s.send(tea.KeyPressMsg{Code: tea.KeyEnd})
	s.shows("prod-europe-0300")
	s.hides("stage staging")
	s.send(tea.KeyPressMsg{Code: tea.KeyUp})
	s.hides("prod-europe-0300")
	s.send(tea.KeyPressMsg{Code: tea.KeyDown}, tea.KeyPressMsg{Code: tea.KeyDown}, tea.KeyPressMsg{Code: tea.KeyDown})
	s.shows("prod-europe-0300")
	s.send(tea.KeyPressMsg{Code: tea.KeyHome})
	s.shows("stage staging")
	s.send(tea.KeyPressMsg{Code: tea.KeyUp})
	s.shows("run to-1-37")
	s.send(key("a"))
	s.shows("a show all")
}

func TestAScrolledScreenSurvivesAShorterTree(t *testing.T) {
	s := newScreen(t, 100, 24, viewtest.Draining().Many(300))
	s.send(key("a"), tea.KeyPressMsg{Code: tea.KeyEnd})
	s.send(newsMsg{objects: viewtest.Draining().RunObjects})
	s.shows("run to-1-37")
}
