// SPDX-License-Identifier: Apache-2.0

package release

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// binaryName of a genuine release in its folder.
const binaryName = "kubernetes"

// program is the main of a genuine release; it is not a Go file here, as it belongs to another module.
//
//go:embed genuine.go.txt
var program []byte

// Builder builds genuine releases.
type Builder struct {
	// Cache is the folder of CacheDir.
	Cache string
	// Progress gets a line when a step begins and every 15 seconds while it lasts.
	Progress io.Writer
}

// Build builds a release from its Go modules into the cache and returns the path of the binary: about 7 minutes on
// 2 cores the first time. A release that is there already is not built again.
func (b Builder) Build(ctx context.Context, version string) (string, error) {
	v, err := ParseVersion(version)
	if err != nil {
		return "", err
	}
	if version == Newest {
		return "", fmt.Errorf("%s is the version that sengu-lab itself holds: there is nothing to build", version)
	}
	if Compare(version, Newest) > 0 {
		return "", fmt.Errorf("%s is newer than %s, which sengu-lab itself holds: only older releases are built", version, Newest)
	}
	binary := filepath.Join(b.Cache, version, binaryName)
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if _, err := exec.LookPath("go"); err != nil {
		return "", errors.New("building a release needs Go: install it from https://go.dev/dl and try again")
	}
	if err := os.MkdirAll(b.Cache, 0o755); err != nil {
		return "", fmt.Errorf("make the folder for built releases: %w", err)
	}
	// Built beside its place and renamed: whoever is stopped halfway leaves nothing that looks finished.
	work, err := os.MkdirTemp(b.Cache, "."+version+"-")
	if err != nil {
		return "", fmt.Errorf("make a folder to build in: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }() // nothing is there when it was renamed
	if err := b.buildIn(ctx, work, v); err != nil {
		return "", fmt.Errorf("build Kubernetes %s: %w", version, err)
	}
	if err := os.Rename(work, filepath.Join(b.Cache, version)); err != nil {
		if _, statErr := os.Stat(binary); statErr == nil {
			return binary, nil // another build of the same release was faster
		}
		return "", fmt.Errorf("keep the built release: %w", err)
	}
	return binary, os.Chmod(filepath.Join(b.Cache, version), 0o755)
}

func (b Builder) buildIn(ctx context.Context, work string, v Version) error {
	tag := fmt.Sprintf("v%d.%d.%d", v.Major, v.Minor, v.Patch)
	module, err := b.downloaded(ctx, work, tag)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(work, "go.mod"), moduleFile(module, v), 0o644); err != nil {
		return fmt.Errorf("write the module: %w", err)
	}
	if err := os.WriteFile(filepath.Join(work, "main.go"), program, 0o644); err != nil {
		return fmt.Errorf("write the program: %w", err)
	}
	if err := b.run(ctx, work, "resolving the modules of "+tag, "mod", "tidy"); err != nil {
		return err
	}
	set := "-X k8s.io/component-base/version."
	ldflags := fmt.Sprintf("-s -w %sgitVersion=%s %sgitMajor=%d %sgitMinor=%d", set, tag, set, v.Major, set, v.Minor)
	return b.run(ctx, work, "compiling "+tag+" (minutes the first time)", "build", "-ldflags", ldflags, "-o", binaryName, ".")
}

// downloaded returns the go.mod of the release, from the module cache or the proxy.
func (b Builder) downloaded(ctx context.Context, work, tag string) ([]byte, error) {
	fmt.Fprintf(b.Progress, "downloading the modules of %s\n", tag)
	command := goCommand(ctx, work, "mod", "download", "-json", "k8s.io/kubernetes@"+tag)
	output, err := command.Output()
	var answer struct{ GoMod, Error string }
	if decodeErr := json.Unmarshal(output, &answer); decodeErr != nil || answer.GoMod == "" {
		return nil, fmt.Errorf("there is no release %s at the Go module proxy: %s", tag, firstLine(answer.Error, err))
	}
	content, err := os.ReadFile(answer.GoMod)
	if err != nil {
		return nil, fmt.Errorf("read the release's go.mod: %w", err)
	}
	return content, nil
}

// moduleFile writes a go.mod that requires the release. Its own go.mod names its staging modules at v0.0.0 with
// replacements by folders, which holds only inside its repository: here each is required at the release's v0.Y.Z.
func moduleFile(released []byte, v Version) []byte {
	var out bytes.Buffer
	goVersion := "1.26"
	var staging []string
	for line := range strings.Lines(string(released)) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 2 && fields[0] == "go":
			goVersion = fields[1]
		case len(fields) >= 2 && strings.HasPrefix(fields[0], "k8s.io/") && fields[1] == "v0.0.0":
			staging = append(staging, fields[0])
		}
	}
	fmt.Fprintf(&out, "module kubernetes\n\ngo %s\n\nrequire (\n", goVersion)
	fmt.Fprintf(&out, "\tk8s.io/kubernetes v%d.%d.%d\n", v.Major, v.Minor, v.Patch)
	for _, path := range staging {
		fmt.Fprintf(&out, "\t%s v0.%d.%d\n", path, v.Minor, v.Patch)
	}
	fmt.Fprint(&out, ")\n")
	return out.Bytes()
}

// run runs a step of the go command and says how long it has been at it.
func (b Builder) run(ctx context.Context, dir, what string, arguments ...string) error {
	var stderr bytes.Buffer
	command := goCommand(ctx, dir, arguments...)
	command.Stderr = &stderr
	fmt.Fprintf(b.Progress, "%s\n", what)
	done := make(chan error, 1)
	go func() { done <- command.Run() }()
	started, tick := time.Now(), time.NewTicker(15*time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				return fmt.Errorf("%s: %w: %s", what, err, lastLine(stderr.String()))
			}
			fmt.Fprintf(b.Progress, "%s: done after %s\n", what, time.Since(started).Round(time.Second))
			return nil
		case <-tick.C:
			fmt.Fprintf(b.Progress, "%s: %s\n", what, time.Since(started).Round(time.Second))
		}
	}
}

// goCommand is the go command in a group of its own: when it is stopped, so are the compilers that it started.
func goCommand(ctx context.Context, dir string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, "go", arguments...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	return command
}

func firstLine(text string, err error) string {
	if text == "" && err != nil {
		text = err.Error()
	}
	line, _, _ := strings.Cut(text, "\n")
	return line
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
