// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/tools/clientcmd"

	"sengu.dev/sengu/internal/operation"
	"sengu.dev/sengu/internal/view"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNoHub       = 3
	exitInterrupted = 130
)

// usageError is a wrong use of the command line.
type usageError struct{ sentence string }

func (e *usageError) Error() string { return e.sentence }

func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// exitError ends with a code; its sentence may be empty when all has been said.
type exitError struct {
	code     int
	sentence string
}

func (e *exitError) Error() string { return e.sentence }

// noHubError says that no hub could be reached.
type noHubError struct {
	sentence string
	err      error
}

func (e *noHubError) Error() string { return e.sentence }
func (e *noHubError) Unwrap() error { return e.err }

// localError is about this machine, whatever it wraps.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

// explain turns an error into an exit code and one sentence.
func explain(ctx context.Context, err error) (int, string) {
	var (
		exit   *exitError
		wrong  *usageError
		noHub  *noHubError
		local  *localError
		format genericclioptions.NoCompatiblePrinterError
	)
	switch {
	case errors.As(err, &exit):
		return exit.code, view.Clean(exit.sentence)
	case ctx.Err() != nil:
		return exitInterrupted, ""
	case errors.As(err, &wrong), errors.As(err, &format), errors.Is(err, operation.ErrInvalid):
		return exitUsage, view.Clean(err.Error())
	case errors.As(err, &noHub):
		return exitNoHub, view.Clean(noHub.sentence)
	case errors.As(err, &local):
		return exitFailed, view.Clean(err.Error())
	}
	if sentence := connectionProblem(err); sentence != "" {
		return exitNoHub, view.Clean(sentence)
	}
	if apierrors.IsForbidden(err) {
		err = fmt.Errorf("%w: ask an admin of the hub for the right, or for a kubeconfig of a group that has it ('sengu hub kubeconfig --group …')", err)
	}
	return exitFailed, view.Clean(err.Error())
}

// connectionProblem says in one sentence why a hub cannot be used; empty when the error is of another kind.
func connectionProblem(err error) string {
	var (
		request   *url.Error
		authority x509.UnknownAuthorityError
		network   *net.OpError // and not net.Error: that is also what a missing file is
	)
	switch {
	case apierrors.IsUnauthorized(err):
		return "the hub does not accept these credentials: get new ones with 'sengu hub kubeconfig'"
	case notServed(err):
		return "the API server that the kubeconfig leads to does not serve sengu.dev: it is not a hub of Sengu, and 'sengu hub kinds' prints what makes it one"
	case errors.As(err, &authority):
		return "the hub's certificate is not from the authority in the kubeconfig: get a new kubeconfig with 'sengu hub kubeconfig'"
	case errors.As(err, &request):
		return fmt.Sprintf("the hub at %s does not answer (%v): is 'sengu serve' running?", host(request.URL), innermost(request))
	case errors.As(err, &network):
		return fmt.Sprintf("the hub does not answer (%v): is 'sengu serve' running?", network)
	case apierrors.IsServiceUnavailable(err), apierrors.IsServerTimeout(err), apierrors.IsTimeout(err):
		return fmt.Sprintf("the hub does not answer (%v): try again in a moment", err)
	case clientcmd.IsEmptyConfig(err):
		return noHubFound
	}
	return ""
}

// notServed tells a kind that is not served from an object that does not exist: both are a 404.
func notServed(err error) bool {
	return meta.IsNoMatchError(err) || apierrors.IsNotFound(err) && !operation.IsMissing(err)
}

func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

func host(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "its address"
	}
	return u.Scheme + "://" + u.Host
}

// flagError adds the nearest flag to the message of one that does not exist.
func flagError(c *cobra.Command, err error) error {
	sentence := strings.TrimSpace(err.Error())
	if missing, ok := errors.AsType[*pflag.NotExistError](err); ok {
		if near := nearestFlag(c, missing.GetSpecifiedName()); near != "" {
			sentence += ": did you mean --" + near + "?"
		}
	}
	return &usageError{sentence}
}

// nearestFlag is the flag of a command that is at most two letters away; empty: none is.
func nearestFlag(c *cobra.Command, name string) string {
	best, distance := "", 3
	visit := func(f *pflag.Flag) {
		if f.Hidden || len(name) < 2 {
			return
		}
		d := lettersApart(name, f.Name)
		if strings.HasPrefix(f.Name, name) {
			d = 1
		}
		if d < distance {
			best, distance = f.Name, d
		}
	}
	c.Flags().VisitAll(visit)
	c.InheritedFlags().VisitAll(visit)
	return best
}

// lettersApart counts the letters to insert, remove or replace to get from one word to the other.
func lettersApart(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
