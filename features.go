package main

import (
	"context"
	"encoding/json"
	"os"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go/features"
	"github.com/urfave/cli/v3"

	"github.com/rungoci/rung/libcontainer/annotation"
	"github.com/rungoci/rung/libcontainer/cgroup/systemd"
	"github.com/rungoci/rung/libcontainer/criu"
	"github.com/rungoci/rung/libcontainer/mountopt"
	"github.com/rungoci/rung/libcontainer/seccomp"
	"github.com/rungoci/rung/libcontainer/specgen"
	"github.com/rungoci/rung/libcontainer/state"
)

// stateVersion is the annotation that has the format version of the containers'
// records.
const stateVersion = "com.github.rungoci.rung.stateVersion"

func featuresCommand() *cli.Command {
	return &cli.Command{
		Name:            "features",
		HideHelpCommand: true,
		Usage:           "print what this rung can do, as JSON",
		Description:     "The format is that of the OCI runtime specification (features.md).",
		Action: func(_ context.Context, cmd *cli.Command) error {
			if _, err := arguments(cmd, 0, 0); err != nil {
				return err
			}
			enc := json.NewEncoder(os.Stdout)
			enc.SetIndent("", "    ")
			return enc.Encode(allFeatures())
		},
	}
}

// allFeatures is what rung can do under the name that it was called by.
func allFeatures() *features.Features {
	f := specgen.Features(mountopt.Known(), seccomp.FlagSupported)
	// Whether containers that are there can be joined after a change of rung is
	// decided by it (state.State.Known).
	f.Annotations[stateVersion] = strconv.Itoa(state.Version)
	// An engine that passes annotations of its users on asks what not to
	// (features.md, "potentiallyUnsafeConfigAnnotations").
	f.PotentiallyUnsafeConfigAnnotations = append(f.PotentiallyUnsafeConfigAnnotations, criu.ConfigAnnotation)
	if *f.Linux.Cgroup.Systemd {
		f.PotentiallyUnsafeConfigAnnotations = append(f.PotentiallyUnsafeConfigAnnotations, systemd.AnnotationPrefix)
	}
	switch self {
	case asRunc:
		f.Annotations["org.opencontainers.runc.version"] = self.release()
		return f // runc does not know crun's annotations
	case asCrun:
		f.Annotations["run.oci.crun.version"] = self.release()
		f.Annotations["run.oci.crun.commit"] = gitCommit
		f.Annotations["run.oci.crun.checkpoint.enabled"] = f.Annotations[checkpointEnabled]
		f.Annotations["run.oci.crun.wasm"] = "false"
	}
	// They have rung write to files of the host.
	f.PotentiallyUnsafeConfigAnnotations = append(f.PotentiallyUnsafeConfigAnnotations, annotation.Prefix)
	return f
}
