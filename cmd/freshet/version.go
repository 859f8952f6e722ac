package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// versionCommand says which release this is.
type versionCommand struct{}

// Help tells more.
func (*versionCommand) Help() string {
	return `
The release, the Go version and platform that it was built with, and the revision of the sources
where the build knows it.

  freshet version
  freshet version --json
`
}

func (*versionCommand) uses() everyday { return usesOutput }

// versionAnswer is what freshet version says.
type versionAnswer struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	// Revision and Modified are absent where the build didn't record them.
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"`
}

func (*versionCommand) run(_ context.Context, call *invocation) error {
	answer := builtFrom()
	if call.out.structured() {
		call.out.object(answer)
		return call.out.err
	}
	details := []string{answer.Go, answer.Platform}
	if answer.Revision != "" {
		revision := "revision " + answer.Revision
		if answer.Modified {
			revision += ", modified"
		}
		details = append(details, revision)
	}
	call.out.linef("freshet %s (%s)", answer.Version, strings.Join(details, ", "))
	return call.out.err
}

// builtFrom asks the linker first, then what the Go toolchain wrote down.
func builtFrom() versionAnswer {
	answer := versionAnswer{
		Version:  version,
		Go:       runtime.Version(),
		Platform: fmt.Sprintf("%s/%s", runtime.GOOS, runtime.GOARCH),
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		if answer.Version == "" {
			answer.Version = info.Main.Version
		}
		for _, fact := range info.Settings {
			switch fact.Key {
			case "vcs.revision":
				answer.Revision = fact.Value
			case "vcs.modified":
				answer.Modified = fact.Value == "true"
			}
		}
	}
	if answer.Version == "" {
		answer.Version = "(devel)"
	}
	return answer
}
