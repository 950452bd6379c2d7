// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"errors"
	"flag"
	"io"
	"os"
	"sync"

	"google.golang.org/grpc/grpclog"
	"k8s.io/klog/v2"

	"sengu.dev/sengu/internal/hub/etcdlog"
)

// maxLogBytes is the size at which hub.log becomes hub.log.1; the hub keeps these two files only.
const maxLogBytes = 10 << 20

// logFile is a file of bounded size, safe for several writers.
type logFile struct {
	mu   sync.Mutex
	path string
	file *os.File
	size int64
}

func openLogFile(path string) (*logFile, error) {
	l := &logFile{path: path}
	return l, l.open()
}

func (l *logFile) open() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.file, l.size = f, info.Size()
	return nil
}

// Write appends to the log. After Close it discards: libraries that end late have nobody to tell.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return len(p), nil
	}
	if l.size+int64(len(p)) > maxLogBytes {
		if err := l.rotate(); err != nil {
			return 0, err
		}
	}
	n, err := l.file.Write(p)
	l.size += int64(n)
	return n, err
}

func (l *logFile) rotate() error {
	err := errors.Join(l.file.Close(), os.Rename(l.path, l.path+".1"))
	l.file = nil
	return errors.Join(err, l.open())
}

// Close ends the log.
func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}

// redirectLibraryLogs sends the warnings and errors of Kubernetes, its clients, gRPC and etcd's client to a writer instead
// of the terminal. It holds for the process, since these libraries log through variables of theirs.
func redirectLibraryLogs(w io.Writer) {
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	for name, value := range map[string]string{"logtostderr": "false", "alsologtostderr": "false", "stderrthreshold": "FATAL"} {
		if err := flags.Set(name, value); err != nil {
			panic("klog no longer has the flag " + name + ": " + err.Error())
		}
	}
	// klog writes each line to its own severity and to all lower ones: taking WARNING only gets every
	// warning and error once, and no info line.
	for _, severity := range []string{"INFO", "ERROR", "FATAL"} {
		klog.SetOutputBySeverity(severity, io.Discard)
	}
	klog.SetOutputBySeverity("WARNING", w)
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, w, w))
	etcdlog.SetOutput(w)
}
