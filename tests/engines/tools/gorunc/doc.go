// Package gorunc holds tests alone: of rung under github.com/containerd/go-runc, the Go library through which containerd's
// shim, BuildKit and others call an OCI runtime. tests/engines/gorunc.bats runs them.
package gorunc
