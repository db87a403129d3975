package jsonfield

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestMarshalRoundTrip encodes the configurations of real engines and has
// encoding/json read them back.
func TestMarshalRoundTrip(t *testing.T) {
	files, err := filepath.Glob("../../../tests/testdata/bundles/*.config.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no bundles: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var want, got specs.Spec
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(Marshal(&want), &got); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if !reflect.DeepEqual(want, got) {
			t.Errorf("%s: got another configuration back", file)
		}
	}
}

// FuzzMarshalString wants encoding/json to read back what it would have
// written itself.
func FuzzMarshalString(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\\n\t\x00\x7f", "üñ€", "\xff\xfe", "<&>\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		theirs, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var want, got string
		if err := json.Unmarshal(theirs, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(Marshal(s), &got); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if want != got {
			t.Errorf("%q became %q, encoding/json makes it %q", s, got, want)
		}
	})
}
