// Package kubernetes holds contrib/kubernetes to the types of the Kubernetes API.
// It is a module of its own, so that those are no dependency of rung.
package kubernetes

import (
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	"sigs.k8s.io/yaml"
)

// read decodes a manifest, and fails on a field that the type does not have.
func read(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile("../../contrib/kubernetes/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(data, into); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

func TestManifests(t *testing.T) {
	var class nodev1.RuntimeClass
	read(t, "runtimeclass.yaml", &class)
	if class.APIVersion != "node.k8s.io/v1" || class.Kind != "RuntimeClass" || class.Handler != "rung" || class.Scheduling.NodeSelector["rung"] != "yes" {
		t.Errorf("%+v", class)
	}
	var pod corev1.Pod
	read(t, "pod.yaml", &pod)
	if pod.APIVersion != "v1" || pod.Kind != "Pod" || *pod.Spec.RuntimeClassName != class.Name || len(pod.Spec.Containers) != 1 {
		t.Errorf("%+v", pod)
	}
	// As the API server does it.
	for name, quantity := range pod.Spec.Containers[0].Resources.Limits {
		if quantity.IsZero() {
			t.Errorf("the limit of %s is nothing", name)
		}
	}
}
