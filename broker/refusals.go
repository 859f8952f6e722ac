package broker

import (
	"maps"
	"sync"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
)

// refusals counts what clients asked for and didn't get, by the code that they were told (FR1003). It has as many as there are codes.
type refusals struct {
	mu    sync.Mutex
	codes map[string]float64
}

// count counts what a call or a block ended with, if that is a refusal. That the client itself ended it, or its connection, is none.
func (r *refusals) count(told error) {
	code := codeTold(told)
	if code == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.codes == nil {
		r.codes = map[string]float64{}
	}
	r.codes[code]++
}

// all returns how often each code was told.
func (r *refusals) all() map[string]float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.codes)
}

// codeTold is the code in an error's details; the node that a call was passed on to has put it there, where this one hasn't.
func codeTold(told error) string {
	if told == nil {
		return ""
	}
	if f, ok := told.(*fault); ok { //nolint:errorlint // callError returns it bare
		return reason(f.code)
	}
	for _, detail := range status.Convert(told).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == faultDomain {
			return info.GetReason()
		}
	}
	return ""
}
