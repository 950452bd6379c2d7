// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"strings"

	"charm.land/lipgloss/v2"

	"sengu.dev/sengu/internal/view"
)

// palette gives tones their colours; an empty one gives none.
type palette map[view.Tone]lipgloss.Style

// palette is in colour on a terminal, unless NO_COLOR is set. The sixteen colours of the terminal are used, so
// that they go with its background.
func (a *app) palette() palette {
	if _, ok := terminal(a.Streams.Out); !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return palette{}
	}
	colour := func(c string) lipgloss.Style { return lipgloss.NewStyle().Foreground(lipgloss.Color(c)) }
	return palette{
		view.ToneStrong:  lipgloss.NewStyle().Bold(true),
		view.ToneMuted:   lipgloss.NewStyle().Faint(true),
		view.ToneGood:    colour("2"),
		view.ToneBusy:    colour("6"),
		view.ToneWaiting: colour("3"),
		view.ToneBad:     colour("1"),
	}
}

func (p palette) line(l view.Line) string {
	var b strings.Builder
	for _, span := range l {
		if style, ok := p[span.Tone]; ok {
			b.WriteString(style.Render(span.Text))
		} else {
			b.WriteString(span.Text)
		}
	}
	return b.String()
}
