// SPDX-License-Identifier: Apache-2.0

package message

import (
	"strings"
	"time"
	"unicode"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"

	"sengu.dev/sengu/api/v1alpha1"
)

// ContentTypeCloudEvent is the media type of a CloudEvent in structured JSON.
const ContentTypeCloudEvent = cloudevents.ApplicationCloudEventsJSON

// Data is what a CloudEvent of Sengu carries. docs/reference/notification.schema.json describes it.
type Data struct {
	// Event, Severity, What, Where and Next are as in Message.
	Event    string `json:"event"`
	Severity string `json:"severity"`
	What     string `json:"what"`
	Where    string `json:"where"`
	Next     string `json:"next"`
	// Fleet and the names of what it is about.
	Fleet   string `json:"fleet"`
	Run     string `json:"run,omitempty"`
	Stage   string `json:"stage,omitempty"`
	Cluster string `json:"cluster,omitempty"`
	Gate    string `json:"gate,omitempty"`
	// Target and Reason are as in Message.
	Target string `json:"target,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Clusters are counted by what has become of them.
	Clusters *v1alpha1.RunCounts `json:"clusters,omitempty"`
}

// CloudEvent writes the message as a CloudEvent 1.0 in structured JSON. Source and id together are the same however
// often it is sent.
func CloudEvent(m Message) ([]byte, error) {
	e := cloudevents.New(cloudevents.CloudEventsVersionV1)
	e.SetID(m.ID)
	e.SetType(typeOf(m.Event))
	e.SetSource(source(m))
	e.SetTime(m.At.UTC().Truncate(time.Second))
	if subject := subject(m); subject != "" {
		e.SetSubject(subject)
	}
	err := e.SetData(cloudevents.ApplicationJSON, Data{
		Event: string(m.Event), Severity: string(m.Severity), What: m.What, Where: m.Where, Next: m.Next, Fleet: m.Fleet, Run: m.Run,
		Stage: m.Stage, Cluster: m.Cluster, Gate: m.Gate, Target: m.Target, Reason: m.Reason, Clusters: m.Counts,
	})
	if err != nil {
		return nil, err
	}
	return e.MarshalJSON()
}

// typeOf makes the type of an event from its name: RunFailed is dev.sengu.run.failed.
func typeOf(event v1alpha1.NotificationEvent) string {
	var b strings.Builder
	b.WriteString("dev.sengu")
	for _, r := range string(event) {
		if unicode.IsUpper(r) {
			b.WriteByte('.')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// source is the object of the hub that it is about.
func source(m Message) string {
	path := "/apis/" + v1alpha1.GroupVersion.String() + "/namespaces/" + m.Fleet
	if m.Run == "" {
		return path + "/fleets/" + v1alpha1.FleetName
	}
	return path + "/upgraderuns/" + m.Run
}

// subject is the part of the run that it is about.
func subject(m Message) string {
	switch {
	case m.Cluster != "":
		return "clusters/" + m.Cluster
	case m.Gate != "":
		return "gates/" + m.Gate
	case m.Stage != "":
		return "stages/" + m.Stage
	}
	return ""
}
