// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"sengu.dev/sengu/internal/labapi"
	"sengu.dev/sengu/provider"
)

// ask makes one bounded call and turns its error into one of the provider's kinds.
func ask[T any](ctx context.Context, h *handle, call func(context.Context) (T, error)) (T, error) {
	bounded, cancel := context.WithTimeoutCause(ctx, requestTimeout, fmt.Errorf("no answer within %s", requestTimeout))
	defer cancel()
	answer, err := call(bounded)
	if err == nil {
		return answer, nil
	}
	var none T
	if ctx.Err() != nil {
		return none, ctx.Err()
	}
	return none, h.explain(err)
}

// explain gives an error its kind: refusals keep the lab's code.
func (h *handle) explain(err error) error {
	if provider.CodeOf(err) != "" {
		return err
	}
	refusal, ok := errors.AsType[*labapi.Error](err)
	if !ok {
		return provider.Retry(provider.CodeUnreachable, err, "the lab does not answer: look whether `sengu-lab up` still runs")
	}
	e := &provider.Error{Kind: provider.ErrRejected, Code: refusal.Code, Message: h.withoutToken(refusal.Message)}
	switch {
	case refusal.Code == labapi.CodeUnauthorized:
		e.Message = "the lab refused the token: give the Secret the token of the lab that runs now"
	case refusal.Code == labapi.CodeOperationInProgress:
		e.Kind, e.OperationID = provider.ErrWait, refusal.OperationID
	case refusal.Code == labapi.CodeControlPlaneDown:
		e.Kind = provider.ErrRetry // the lab is there and says precisely what is not
	case refusal.Status >= 500:
		e.Kind, e.Code = provider.ErrRetry, provider.CodeUnreachable
		e.Message = fmt.Sprintf("the lab could not answer: %s: %s", refusal.Code, e.Message)
	}
	return e
}

// withoutToken is for what answers at the endpoint without being a lab, and may well echo the request.
func (h *handle) withoutToken(text string) string {
	if h.token == "" {
		return text
	}
	return strings.ReplaceAll(text, h.token, "[token]")
}
