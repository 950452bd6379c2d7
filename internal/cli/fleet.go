// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/operation"
	"sengu.dev/sengu/internal/view"
)

// testTimeout is how long a test of a notification is waited for: a receiver has ten seconds, and a controller may be
// starting.
const testTimeout = 30 * time.Second

func (a *app) fleetCommand() *cobra.Command {
	return a.group("fleet", "Look at the settings of the fleet, and test whom it tells",
		"Look at the settings of the fleet, and test whom it tells. Settings are written as a Fleet in YAML and applied with 'kubectl apply'.",
		a.fleetShow(), a.fleetTestNotification())
}

func (a *app) fleetShow() *cobra.Command {
	c := &cobra.Command{
		Use:     "show",
		Aliases: []string{"describe", "get"},
		Short:   "Tell the settings of the fleet and how its notifications fare",
		Long:    "Tell the settings that hold for every run of the fleet: limits, calendars, and whom it tells of what.",
		Example: `  # The settings of the fleet in namespace emea
  sengu fleet show -n emea`,
		Args: args(),
	}
	o := outputFlags(c, false)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := o.check(); err != nil {
			return err
		}
		h, err := a.connect(c.Context())
		if err != nil {
			return err
		}
		fleet, err := operation.GetFleet(c.Context(), h, h.namespace)
		if err != nil {
			return err
		}
		if !o.table() {
			return o.print(a.Streams.Out, fleet)
		}
		_, err = io.WriteString(a.Streams.Out, view.DescribeFleet(fleet, a.Clock.Now()))
		return err
	}
	return c
}

func (a *app) fleetTestNotification() *cobra.Command {
	return &cobra.Command{
		Use:   "test-notification NAME",
		Short: "Send a test message by a notification of the fleet",
		Long: `Send a test message by a notification of the fleet, the way every message goes: the controllers send it, from where
they run. It needs the right to change the Fleet, and no right to read Secrets.`,
		Example: `  # Does the channel hear us?
  sengu fleet test-notification ops`,
		Args: args("NAME"),
		RunE: func(c *cobra.Command, words []string) error {
			h, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			word := strconv.FormatInt(a.Clock.Now().UnixNano(), 36)
			request, err := operation.TestNotification(c.Context(), h, h.namespace, words[0], word)
			if err != nil {
				return err
			}
			answer, err := a.testAnswer(c.Context(), h, request)
			if err != nil {
				return err
			}
			if answer.Reason != "" {
				return &exitError{exitFailed, fmt.Sprintf("notification %s was not delivered: %s: %s", words[0], answer.Reason, answer.Message)}
			}
			a.say("notification %s was delivered", words[0])
			return nil
		},
	}
}

// testAnswer waits until the controllers have answered a request.
func (a *app) testAnswer(ctx context.Context, h *hub, request string) (*v1alpha1.NotificationTest, error) {
	for end := a.Clock.Now().Add(testTimeout); a.Clock.Now().Before(end); {
		fleet, err := operation.GetFleet(ctx, h, h.namespace)
		if err != nil {
			return nil, err
		}
		if answer := fleet.Status.NotificationTest; answer != nil && answer.Request == request {
			return answer, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-a.Clock.After(200 * time.Millisecond):
		}
	}
	return nil, &exitError{exitFailed, fmt.Sprintf("nobody has sent the test in %s: do the controllers run ('sengu serve' or 'sengu controller')?", testTimeout)}
}
