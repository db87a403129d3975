module github.com/rungoci/rung/tests/engines/tools

go 1.25.0

require (
	github.com/containerd/go-runc v1.1.0
	github.com/opencontainers/runtime-spec v1.3.0
	golang.org/x/net v0.58.0
	google.golang.org/grpc v1.72.2
	google.golang.org/protobuf v1.36.8
	k8s.io/cri-api v0.35.0
)

require (
	github.com/containerd/console v1.0.3 // indirect
	github.com/sirupsen/logrus v1.9.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
	golang.org/x/text v0.41.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20250528174236-200df99c418a // indirect
)
