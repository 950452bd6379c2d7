// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	// maxSocketPath is the longest path a unix socket can have on every system (104 on macOS, 108 on Linux,
	// with the final zero).
	maxSocketPath = 103
	// storeQuota is etcd's limit. 10,000 clusters with their history need less than 500 MB.
	storeQuota = 4 << 30
	// storeCloseTimeout bounds how long a closing etcd may wait for its clients, which have ended by then.
	storeCloseTimeout = time.Second
)

// errEnded is the reason of an etcd that gives none.
var errEnded = errors.New("etcd ended")

// store is the etcd below the API. It listens on a unix socket in a directory that only the hub's user may
// enter, so that no other user of the machine can read or write around the API and its RBAC.
type store struct {
	endpoint  string
	etcd      *embed.Etcd
	failure   *etcdFailure
	tempDir   string
	closeOnce sync.Once
}

// startStore starts etcd and returns when it serves. The context bounds the start. The failed function is called if etcd
// dies later.
func startStore(ctx context.Context, d *dataDir, log io.Writer, failed func(error)) (*store, error) {
	s := &store{failure: newEtcdFailure()}
	socket, err := s.socketPath(d)
	if err != nil {
		return nil, unusable(d.root, err)
	}
	s.endpoint = "unix://" + socket
	cfg := etcdConfig(d.path("etcd"), s.endpoint)
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(etcdLogger(log, s.failure))
	if s.etcd, err = startEtcd(ctx, cfg, s.failure); err != nil {
		s.removeTempDir()
		return nil, fmt.Errorf("the hub cannot open its storage %s (%w): check the disk, or restore this directory from a backup", cfg.Dir, err)
	}
	go s.watch(func(cause error) {
		failed(fmt.Errorf("the hub's storage %s has stopped (%w): check the disk and start the hub again", cfg.Dir, cause))
	})
	return s, nil
}

// socketPath is in the data directory, or in a private temporary one if that path would be too long.
func (s *store) socketPath(d *dataDir) (string, error) {
	if d.state.SocketDir != "" { // left by a hub that was killed
		_ = os.RemoveAll(d.state.SocketDir) // a socket that stays harms nobody
		d.state.SocketDir = ""
	}
	path := d.path("etcd", "etcd.sock")
	if len(path) > maxSocketPath {
		dir, err := os.MkdirTemp("", "sengu-hub-") // mode 0700
		if err != nil {
			return "", err
		}
		s.tempDir, d.state.SocketDir = dir, dir
		path = filepath.Join(dir, "etcd.sock")
	}
	return path, d.saveState()
}

// etcdConfig is a single member that no other member can reach: its peer address is only its name.
func etcdConfig(dir, endpoint string) *embed.Config {
	client := url.URL{Scheme: "unix", Path: endpoint[len("unix://"):]}
	peer := url.URL{Scheme: "http", Host: "sengu-hub:0"}
	cfg := embed.NewConfig()
	cfg.Name = "sengu-hub"
	cfg.Dir = dir
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = nil, []url.URL{peer}
	cfg.InitialCluster = cfg.Name + "=" + peer.String()
	cfg.QuotaBackendBytes = storeQuota
	// A lone member elects itself after one election timeout: etcd's default of 1 s would be half of a start.
	cfg.TickMs, cfg.ElectionMs = 20, 100
	return cfg
}

// startEtcd starts etcd in a goroutine of its own and looks at the failure beside it, because an etcd that
// finds its files damaged ends one of its goroutines (see etcdFailure), or panics, and never returns. One that has lost
// its log waits for ever for the members that the log would name; it is left behind.
func startEtcd(ctx context.Context, cfg *embed.Config, failure *etcdFailure) (*embed.Etcd, error) {
	type result struct {
		etcd *embed.Etcd
		err  error
	}
	started := make(chan result, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				started <- result{err: fmt.Errorf("%v", p)}
			}
		}()
		e, err := embed.StartEtcd(cfg)
		started <- result{e, err}
	}()
	var r result
	select {
	case <-failure.happened:
		return nil, failure.err
	case <-ctx.Done():
		return nil, notReady(ctx)
	case r = <-started:
	}
	if r.err != nil {
		return nil, r.err
	}
	select {
	case <-r.etcd.Server.ReadyNotify():
		return r.etcd, nil
	case <-failure.happened:
		return nil, failure.err
	case <-ctx.Done():
		go r.etcd.Close()
		return nil, notReady(ctx)
	}
}

// notReady tells a person who gave up from an etcd that took too long.
func notReady(ctx context.Context) error {
	return fmt.Errorf("etcd was not ready in time: %w", ctx.Err())
}

// watch calls a function when a started etcd ends, with the reason.
func (s *store) watch(died func(error)) {
	select {
	case <-s.failure.happened:
		died(s.failure.err)
	case err := <-s.etcd.Err():
		if err == nil {
			err = errEnded
		}
		died(err)
	case <-s.etcd.Server.StopNotify():
		died(errEnded)
	}
}

// close stops etcd. An etcd that died of a storage error cannot end in order and is left behind.
func (s *store) close() {
	s.closeOnce.Do(func() {
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			s.etcd.Close()
		}()
		select {
		case <-closed:
		case <-time.After(storeCloseTimeout):
		}
		s.removeTempDir()
	})
}

func (s *store) removeTempDir() {
	if s.tempDir != "" {
		_ = os.RemoveAll(s.tempDir) // the next start tries again
	}
}

// etcdLogger writes warnings and errors to the hub's log and turns etcd's way to report a fatal error,
// which is to end the process, into a failure of the hub.
func etcdLogger(w io.Writer, failure *etcdFailure) *zap.Logger {
	encoder := zap.NewProductionEncoderConfig()
	encoder.EncodeTime = zapcore.ISO8601TimeEncoder
	core := zapcore.NewCore(zapcore.NewConsoleEncoder(encoder), zapcore.AddSync(w), zap.WarnLevel)
	// A log that cannot be written, as on a full disk, is no reason to write to the terminal.
	return zap.New(core, zap.ErrorOutput(zapcore.AddSync(io.Discard)), zap.WithFatalHook(failure), zap.WithPanicHook(failure))
}

// etcdFailure keeps the reason for which etcd gave up. etcd logs it as fatal and expects the process to
// end; the goroutine that logged it ends here instead, and nothing is acknowledged after that.
type etcdFailure struct {
	once     sync.Once
	happened chan struct{}
	err      error // set before happened is closed
}

func newEtcdFailure() *etcdFailure { return &etcdFailure{happened: make(chan struct{})} }

// OnWrite is called by the logger after it has written a fatal entry. Only the first reason counts.
func (f *etcdFailure) OnWrite(entry *zapcore.CheckedEntry, fields []zapcore.Field) {
	f.once.Do(func() {
		f.err = fatalError(entry.Message, fields)
		close(f.happened)
	})
	runtime.Goexit()
}

func fatalError(message string, fields []zapcore.Field) error {
	for _, field := range fields {
		if err, ok := field.Interface.(error); ok && field.Type == zapcore.ErrorType {
			return fmt.Errorf("%s: %w", message, err)
		}
	}
	return errors.New(message)
}
