// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/simulate"
	"sengu.dev/sengu/internal/view"
)

var forecastBegin = time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)

func in(d time.Duration) *time.Time { return new(forecastBegin.Add(d)) }

// forecast is a run in two stages: one cluster is done, one pauses over night, and one never ends.
func forecast() *simulate.Forecast {
	return &simulate.Forecast{
		Run: "to-1-37", Target: "1.37.2", From: forecastBegin, Percentile: simulate.P50,
		ExpectedEnd: simulate.Ends{P50: in(50 * time.Hour)},
		Stages: []simulate.Stage{
			{Name: "staging", Clusters: 1, Start: in(-time.Hour), ClustersEnd: in(-30 * time.Minute), SoakEnd: in(23*time.Hour + 30*time.Minute), End: in(23*time.Hour + 30*time.Minute)},
			{Name: "production", Clusters: 3, Start: in(24 * time.Hour)},
		},
		Clusters: []simulate.Cluster{
			{Name: "staging-1", Stage: "staging", Group: "all", Start: in(-time.Hour), End: in(-30 * time.Minute), Done: true, Samples: 12},
			{Name: "prod-tokyo-1", Stage: "production", Group: "asia", Start: in(24 * time.Hour), End: in(49 * time.Hour),
				Pauses: []simulate.Pause{{From: *in(25 * time.Hour), To: *in(48 * time.Hour)}}, Samples: 12},
			{Name: "prod-osaka-1", Stage: "production", Group: "asia", Start: in(25 * time.Hour), End: in(26 * time.Hour)},
			{Name: "prod-berlin-1", Stage: "production", Group: "europe", Start: in(24 * time.Hour)},
			{Name: "prod-paris-1", Stage: "production", Group: "europe", Phase: v1alpha1.ClusterUpgradePhaseSkipped},
		},
		Blockers: []simulate.Blocker{
			{Kind: simulate.BlockerWindow, Message: "no window of at least 45m0s before 2028-03-01 09:00 UTC for prod-berlin-1"},
			{Kind: simulate.BlockerApproval, Message: "gate production/go needs an approval: it is assumed to be given at 2027-03-02 09:00 UTC"},
		},
	}
}

func TestTheForecastTellsWhenEverythingHappens(t *testing.T) {
	golden(t, "forecast", view.Forecast(forecast(), view.ForecastOptions{}))
	golden(t, "forecast-wide", view.Forecast(forecast(), view.ForecastOptions{Wide: true, MaxClusters: 1}))
}

func TestTheForecastIsToldInTheZoneInWhichItWasAsked(t *testing.T) {
	f := forecast()
	f.From = f.From.In(time.FixedZone("JST", 9*60*60))
	if text := view.Forecast(f, view.ForecastOptions{}); !strings.Contains(text, "Expected end: Wed 2027-03-03 20:00 JST") || !strings.Contains(text, "Tue 2027-03-02 18:00") {
		t.Errorf("11:00 and 09:00 in UTC are not told as 20:00 and 18:00:\n%s", text)
	}
}

func TestTheTimelineIsAPicture(t *testing.T) {
	golden(t, "forecast.svg", view.ForecastSVG(forecast()))
}

// TestTheTimelineOfALargeFleetHasARowForEachGroup: ten thousand rows are no picture.
func TestTheTimelineOfALargeFleetHasARowForEachGroup(t *testing.T) {
	f := forecast()
	for i := range 1000 {
		f.Clusters = append(f.Clusters, simulate.Cluster{Name: fmt.Sprintf("c%d", i), Stage: "production", Group: "many", Start: in(time.Duration(i) * time.Minute), End: in(time.Duration(i+30) * time.Minute)})
	}
	picture := view.ForecastSVG(f)
	if n := strings.Count(picture, "<rect"); n > 10 {
		t.Errorf("%d bars", n)
	}
	if !strings.Contains(picture, "many (1000)") || !strings.Contains(picture, "europe (2)") {
		t.Errorf("the groups are not named:\n%s", picture)
	}
}

// TestNamesFromOutsideDoNoHarmInAForecast: neither to a terminal nor to a browser.
func TestNamesFromOutsideDoNoHarmInAForecast(t *testing.T) {
	f := forecast()
	bad := "</text><script>alert(1)</script>\x1b[31m\"'&"
	f.Run, f.Target, f.Stages[1].Name, f.Clusters[1].Name, f.Blockers[0].Message = bad, bad, bad, bad, bad
	for i := range f.Clusters[1:] {
		f.Clusters[1+i].Stage, f.Clusters[1+i].Group = bad, bad
	}
	if text := view.Forecast(f, view.ForecastOptions{Wide: true}); strings.Contains(text, "\x1b") {
		t.Errorf("an escape sequence reaches the terminal:\n%q", text)
	}
	for _, clusters := range []int{0, 100} {
		for range clusters {
			f.Clusters = append(f.Clusters, f.Clusters[1])
		}
		picture := view.ForecastSVG(f)
		for d := xml.NewDecoder(strings.NewReader(picture)); ; {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("the picture is no XML: %v\n%s", err, picture)
			}
			element, ok := token.(xml.StartElement)
			if !ok {
				continue
			}
			if element.Name.Local == "script" {
				t.Fatalf("a name became a script:\n%s", picture)
			}
			for _, a := range element.Attr {
				if strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "href" {
					t.Errorf("<%s> has the attribute %s", element.Name.Local, a.Name.Local)
				}
			}
		}
	}
}

// TestAForecastWithoutAnEndSaysSo: and draws what it has.
func TestAForecastWithoutAnEndSaysSo(t *testing.T) {
	f := &simulate.Forecast{Run: "r", From: forecastBegin, Stages: []simulate.Stage{{Name: "staging", Clusters: 1}},
		Clusters: []simulate.Cluster{{Name: "c", Stage: "staging", Group: "all"}}}
	if text := view.Forecast(f, view.ForecastOptions{}); !strings.Contains(text, "Expected end: none that can be told.") || !strings.Contains(text, "Blocked") {
		t.Errorf("it says:\n%s", text)
	}
	if picture := view.ForecastSVG(f); !strings.HasSuffix(picture, "</svg>\n") || strings.Contains(picture, "NaN") {
		t.Errorf("it draws:\n%s", picture)
	}
}
