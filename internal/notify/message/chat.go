// SPDX-License-Identifier: Apache-2.0

package message

import (
	"encoding/json"
	"strings"
)

// ContentTypeJSON is the media type of what Slack and Teams are sent.
const ContentTypeJSON = "application/json; charset=utf-8"

// maxHeader is what Slack takes in a header.
const maxHeader = 150

// marks are shown before a message, for those who look at a channel from afar.
var marks = map[Severity]string{SeverityInfo: "ℹ️", SeverityWarning: "⚠️", SeverityError: "❌"}

// title is the first line of a message in a chat.
func (m Message) title() string {
	title := marks[m.Severity] + " " + words(string(m.Event))
	if m.Run != "" {
		title += ": " + m.Run
	}
	return title
}

// words writes RunFailed as "Run failed".
func words(event string) string {
	var b strings.Builder
	for i, r := range event {
		if i > 0 && 'A' <= r && r <= 'Z' {
			b.WriteByte(' ')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

type slackText struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type slackBlock struct {
	Type     string      `json:"type"`
	Text     *slackText  `json:"text,omitempty"`
	Elements []slackText `json:"elements,omitempty"`
}

// Slack writes the message for an incoming webhook of Slack. The blocks are plain text, in which Slack reads neither
// links nor mentions; text is for notifications, and for the receivers that know no blocks (Mattermost and others).
func Slack(m Message) ([]byte, error) {
	plain := func(s string) *slackText { return &slackText{"plain_text", harmless(s)} }
	return json.Marshal(struct {
		Text   string       `json:"text"`
		Blocks []slackBlock `json:"blocks"`
	}{
		Text: slackEscape.Replace(harmless(strings.Join([]string{m.title(), m.What, m.Where, m.Next}, "\n"))),
		Blocks: []slackBlock{
			{Type: "header", Text: plain(clip(m.title(), maxHeader))},
			{Type: "section", Text: plain(m.What)},
			{Type: "section", Text: plain(m.Next)},
			{Type: "context", Elements: []slackText{*plain(m.Where)}},
		},
	})
}

// slackEscape takes the meaning from the three characters by which links and mentions are written.
var slackEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// harmless parts every @ from what follows, by a space without width: there are receivers that make a mention of all
// people from plain text.
func harmless(s string) string { return strings.ReplaceAll(s, "@", "@\u200b") }

type cardText struct {
	Type   string `json:"type"`
	Text   string `json:"text"`
	Size   string `json:"size,omitempty"`
	Weight string `json:"weight,omitempty"`
	Color  string `json:"color,omitempty"`
	Subtle bool   `json:"isSubtle,omitempty"`
}

type cardBlock struct {
	Type    string     `json:"type"`
	Inlines []cardText `json:"inlines"`
}

type card struct {
	Schema  string         `json:"$schema"`
	Type    string         `json:"type"`
	Version string         `json:"version"`
	Body    []cardBlock    `json:"body"`
	Teams   map[string]any `json:"msteams"`
}

type attachment struct {
	ContentType string  `json:"contentType"`
	ContentURL  *string `json:"contentUrl"`
	Content     card    `json:"content"`
}

var colours = map[Severity]string{SeverityWarning: "Warning", SeverityError: "Attention"}

// Teams writes the message as an Adaptive Card in the envelope that a workflow of Teams takes. Its text runs know no
// Markdown, so nothing in a message can become a link.
func Teams(m Message) ([]byte, error) {
	block := func(t cardText) cardBlock {
		t.Type, t.Text = "TextRun", harmless(t.Text)
		return cardBlock{Type: "RichTextBlock", Inlines: []cardText{t}}
	}
	return json.Marshal(struct {
		Type        string       `json:"type"`
		Attachments []attachment `json:"attachments"`
	}{
		Type: "message",
		Attachments: []attachment{{
			ContentType: "application/vnd.microsoft.card.adaptive",
			Content: card{
				Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.4",
				Body: []cardBlock{
					block(cardText{Text: m.title(), Size: "Large", Weight: "Bolder", Color: colours[m.Severity]}),
					block(cardText{Text: m.What}),
					block(cardText{Text: m.Next}),
					block(cardText{Text: m.Where, Size: "Small", Subtle: true}),
				},
				Teams: map[string]any{"width": "Full"},
			},
		}},
	})
}
