package jsonfield

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// seeds returns the configurations of real engines.
func seeds(t testing.TB) map[string][]byte {
	files, err := filepath.Glob("../../../tests/testdata/bundles/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no bundles in tests/testdata: %v", err)
	}
	all := make(map[string][]byte)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(file)] = data
	}
	return all
}

// everything has a field of each kind that Unmarshal knows.
type everything struct {
	embedded
	S       string            `json:"s,omitempty"`
	B       bool              `json:"b"`
	I8      int8              `json:"i8"`
	I64     int64             `json:"i64"`
	U16     uint16            `json:"u16"`
	U64     uint64            `json:"u64"`
	P       *int              `json:"p"`
	L       []string          `json:"l"`
	LS      []everything      `json:"ls"`
	M       map[string]string `json:"m"`
	MS      map[string]inner  `json:"ms"`
	Any     any               `json:"any"`
	NoTag   string
	Omitted string `json:"-"`
	Kelvin  string `json:"kelvin"`
}

type embedded struct {
	Major int `json:"major"`
	S     int `json:"s"` // hidden by the outer one
}

type inner struct {
	X *inner `json:"x"`
	N int    `json:"n"`
}

func TestUnmarshalIsLikeEncodingJSON(t *testing.T) {
	for _, doc := range []string{
		`{}`, ` { } `, `null`, "\t\r\n{}\n",
		`{"s":"x","b":true,"i8":-128,"i64":-9223372036854775808,"u16":65535,"u64":18446744073709551615}`,
		`{"p":null}`, `{"p":5}`, `{"p":5,"p":null}`, `{"p":-0}`,
		`{"l":[]}`, `{"l":null}`, `{"l":["a","b"]}`, `{"l":["a","b"],"l":["c"]}`, `{"l":["a","b"],"l":[null]}`,
		`{"ls":[{"s":"a"},{"b":true}],"ls":[{"u16":3}]}`,
		`{"ls":[{"ls":[{"ls":[]}]}]}`,
		`{"m":{}}`, `{"m":null}`, `{"m":{"a":"b","":"c"}}`, `{"m":{"a":"b"},"m":{"c":"d"}}`, `{"m":{"a":null}}`,
		`{"ms":{"a":{"x":{"n":3}},"b":null},"ms":{"a":{"n":1}}}`,
		`{"any":null}`, `{"any":1.5e3}`, `{"any":"s"}`, `{"any":[1,"a",null,{"b":[]}]}`, `{"any":{"a":{"b":false}}}`,
		`{"any":{"a":1},"any":{"b":2}}`,
		`{"major":3}`, `{"NoTag":"x"}`, `{"notag":"x"}`, `{"S":"folded"}`, `{"s":"exact","S":"folded"}`,
		`{"-":"x","Omitted":"x"}`, `{"\u212aelvin":"the Kelvin sign folds to k"}`,
		`{"unknown":{"a":[1,2,{"b":"\u00e9"}],"c":-0.5E+3,"d":true,"e":null}}`,
		`{"s":"\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac"}`, `{"s":"\ud83d\ude00"}`, `{"s":"\ud83d"}`, `{"s":"\ud83d\u0041"}`,
		`{"s":"\ude00\ud83d"}`, `{"s":"\ud83d\ud83d\ude00"}`, `{"s":"\u0000"}`, "{\"s\":\"\xff\xc3\"}", "{\"s\":\"é€😀\"}",
		"{\"s\":\"\u2028\"}", `{"\u0073":"escaped name"}`, "{\"s\":\"\x7f\"}",

		// Not accepted.
		``, ` `, `{`, `{"s"`, `{"s":`, `{"s":"`, `{"s":"x"`, `{"s":"x",`, `{"s":"x",}`, `{,}`, `{"l":[`, `{"l":["a",]}`,
		`{"l":[,]}`, `{"s" "x"}`, `{s:"x"}`, `{'s':'x'}`, `{"s":x}`, `{"s":nul}`, `{"b":tru}`, `{"b":truex}`, `{"u":nulll}`,
		`{"i8":01}`, `{"i8":+1}`, `{"i8":1.}`, `{"i8":.5}`, `{"i8":1e}`, `{"i8":1e+}`, `{"i8":-}`, `{"u":--1}`, `{"u":0x1}`,
		`{"i8":128}`, `{"u16":-1}`, `{"u16":65536}`, `{"i64":1.5}`, `{"i64":1e3}`, `{"i64":9223372036854775808}`,
		`{"s":1}`, `{"s":["x"]}`, `{"b":"true"}`, `{"b":1}`, `{"l":{}}`, `{"l":"x"}`, `{"l":[1]}`, `{"m":[]}`, `{"m":{"a":1}}`,
		`{"p":"1"}`, `{"ms":{"a":[]}}`, `[]`, `"x"`, `1`, `true`,
		`{"s":"\x"}`, `{"s":"\u12"}`, `{"s":"\u12g4"}`, `{"s":"` + "\n" + `"}`, `{"s":"` + "\x00" + `"}`,
		`{} {}`, `{}x`, `{}]`, "{}\x00", "\ufeff{}", `{"any":1e999}`, `{"any":}`, `// comment`, `{"s":"a"/**/}`,
	} {
		compare[everything](t, []byte(doc))
	}
	for name, data := range seeds(t) {
		compare[specs.Spec](t, data)
		compare[specs.Process](t, data)
		compare[any](t, data)
		var spec specs.Spec
		if err := Unmarshal(data, &spec); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// compare decodes data with Unmarshal and with encoding/json.
func compare[T any](t *testing.T, data []byte) {
	t.Helper()
	var got, want T
	err, wantErr := Unmarshal(data, &got), json.Unmarshal(data, &want)
	switch {
	case (err == nil) != (wantErr == nil):
		t.Errorf("%.200q: got error %v, encoding/json %v", data, err, wantErr)
	case err == nil && !reflect.DeepEqual(got, want):
		t.Errorf("%.200q: got %+v, encoding/json %+v", data, got, want)
	case err != nil && strings.ContainsAny(err.Error(), "\n\x00\x1b"):
		t.Errorf("%.200q: the error is not one printable line: %q", data, err)
	case err != nil && len(err.Error()) > 4000:
		t.Errorf("%.200q: the error has %d bytes", data, len(err.Error()))
	}
}

func TestErrors(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for _, tc := range []struct{ doc, want string }{
		{"{\n  \"process\": {\n    \"args\": [1]\n  }\n}", `process.args[0]: expected string, got number at line 3 column 14`},
		{`{"process":{"args":"sh"}}`, `process.args: expected array, got string at line 1 column 20`},
		{`{"process":[]}`, `process: expected object, got array at line 1 column 12`},
		{`{"process":{"terminal":"true"}}`, `process.terminal: expected boolean, got string at line 1 column 24`},
		{`{"process":{"user":{"uid":"0"}}}`, `process.user.uid: expected integer, got string at line 1 column 27`},
		{`{"process":{"user":{"uid":-1}}}`, `process.user.uid: expected an integer from 0 to 4294967295, got -1 at line 1 column 27`},
		{`{"process":{"user":{"uid":1e3}}}`, `process.user.uid: expected an integer from 0 to 4294967295, got 1e3 at line 1 column 27`},
		{`{"process":{"oomScoreAdj":1.5}}`, `process.oomScoreAdj: expected an integer from ` + intRange + `, got 1.5 at line 1 column 27`},
		{`{"linux":{"sysctl":{"net.core.somaxconn":5}}}`, `linux.sysctl["net.core.somaxconn"]: expected string, got number at line 1 column 42`},
		{`{"linux":{"resources":{"blockIO":{"weightDevice":[{"major":true}]}}}}`,
			`linux.resources.blockIO.weightDevice[0].major: expected integer, got boolean at line 1 column 60`},
		{`{"hostname":{}}`, `hostname: expected string, got object at line 1 column 13`},
		{`{"annotations":{"é":1}}`, `annotations["é"]: expected string, got number at line 1 column 21`},
		{`[]`, `expected object, got array at line 1 column 1`},

		{``, `parse JSON: expected a value, got the end of the file at line 1 column 1`},
		{"\n\n  ", `parse JSON: expected a value, got the end of the file at line 3 column 3`},
		{`{"hostname":"x"`, `parse JSON: expected a comma or } after the field "hostname", got the end of the file at line 1 column 16`},
		{`{"hostname":"x" "root":{}}`, `parse JSON: expected a comma or } after the field "hostname", got "\"" at line 1 column 17`},
		{`{"hostname":"x",}`, `parse JSON: expected a quoted field name, got "}" at line 1 column 17`},
		{`{hostname:"x"}`, `parse JSON: expected a quoted field name, got "hostname" at line 1 column 2`},
		{`{"hostname" "x"}`, `parse JSON (hostname): expected a colon after the field name, got "\"" at line 1 column 13`},
		{`{"hostname":myhost}`, `parse JSON (hostname): expected a value, got "myhost" at line 1 column 13`},
		{`{"hostname":'x'}`, `parse JSON (hostname): expected a value, got "'" at line 1 column 13`},
		{`{"hostname":nothing}`, `parse JSON (hostname): expected a value, got "nothing" at line 1 column 13`},
		{`{"hostname":"x`, `parse JSON (hostname): expected the string's closing quote, got the end of the file at line 1 column 15`},
		{"{\"hostname\":\"x\ny\"}", `parse JSON (hostname): expected control characters in a string to be escaped, got "\n" at line 1 column 15`},
		{`{"hostname":"\q"}`, `parse JSON (hostname): expected one of \" \\ \/ \b \f \n \r \t \u, got "q" at line 1 column 15`},
		{`{"hostname":"\u00g0"}`, `parse JSON (hostname): expected four hexadecimal digits after \u, got "u00g0" at line 1 column 15`},
		{`{"process":{"args":["a" "b"]}}`, `parse JSON (process.args): expected a comma or ] after the array's element, got "\"" at line 1 column 25`},
		{`{"process":{"args":["a",]}}`, `parse JSON (process.args[1]): expected a value, got "]" at line 1 column 25`},
		{`{"process":{"user":{"uid":01}}}`, `parse JSON (process.user): expected a comma or } after the field "uid", got "1" at line 1 column 28`},
		{`{"process":{"user":{"uid":1.}}}`, `parse JSON (process.user.uid): expected a digit after the decimal point, got "}" at line 1 column 29`},
		{`{"process":{"user":{"uid":1e}}}`, `parse JSON (process.user.uid): expected a digit in the exponent, got "}" at line 1 column 29`},
		{`{} {}`, `parse JSON: expected the end of the file, got "{" at line 1 column 4`},
		{`{}}`, `parse JSON: expected the end of the file, got "}" at line 1 column 3`},
		{"\ufeff{}", `parse JSON: expected a value, got "\ufeff" at line 1 column 1`},
		{"\x1b[31m", `parse JSON: expected a value, got "\x1b" at line 1 column 1`},
		{"\xff", `parse JSON: expected a value, got "\xff" at line 1 column 1`},
		{`{"hostname":` + long + `}`, `parse JSON (hostname): expected a value, got "` + long[:40] + `..." at line 1 column 13`},
		{`{"` + long + `":x}`, `parse JSON (["` + long[:40] + `..."]): expected a value, got "x" at line 1 column 1005`},
	} {
		var spec specs.Spec
		err := Unmarshal([]byte(tc.doc), &spec)
		if err == nil || err.Error() != tc.want {
			t.Errorf("%.80q:\n got %v\nwant %s", tc.doc, err, tc.want)
		}
	}
}

// intRange is the range of an int on this machine.
var intRange = map[bool]string{
	true:  "-9223372036854775808 to 9223372036854775807",
	false: "-2147483648 to 2147483647",
}[reflect.TypeFor[int]().Bits() == 64]

func TestDepth(t *testing.T) {
	nested := func(n int) []byte {
		return []byte(`{"unknown":` + strings.Repeat(`[`, n) + strings.Repeat(`]`, n) + `}`)
	}
	var spec specs.Spec
	if err := Unmarshal(nested(MaxDepth-1), &spec); err != nil {
		t.Errorf("%d levels: %v", MaxDepth, err)
	}
	const want = `parse JSON: arrays and objects are nested more than 256 deep at line 1 column 267`
	if err := Unmarshal(nested(MaxDepth), &spec); err == nil || err.Error() != want {
		t.Errorf("%d levels:\n got %v\nwant %s", MaxDepth+1, err, want)
	}
	for _, unit := range []string{`[`, `{"a":`} {
		million := []byte(strings.Repeat(unit, 1e6))
		// The document is copied; beyond that nothing may grow with it.
		bytes := testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var v any
				if err := Unmarshal(million, &v); err == nil {
					b.Fatal("a million levels were accepted")
				}
			}
		}).AllocedBytesPerOp()
		if bytes > int64(len(million))+1<<20 {
			t.Errorf("a million of %q took %d bytes", unit, bytes)
		}
	}
}

// TestValues is about documents whose values take many times their size.
func TestValues(t *testing.T) {
	list := func(unit string, n int) []byte {
		return []byte(`{"mounts":[` + strings.TrimSuffix(strings.Repeat(unit+",", n), ",") + `]}`)
	}
	var spec specs.Spec
	// The member "mounts" is one, too.
	if err := Unmarshal(list(`{}`, MaxValues-1), &spec); err != nil || len(spec.Mounts) != MaxValues-1 {
		t.Errorf("%d mounts: %v", MaxValues-1, err)
	}
	for unit, column := range map[string]int{`{}`: 12 + 3*(MaxValues-1), `{"a":0}`: 12 + 8*(MaxValues/2-1) + 8 - 7} {
		err := Unmarshal(list(unit, MaxValues), new(specs.Spec))
		want := fmt.Sprintf("parse JSON: arrays and objects have more than %d values at line 1 column %d", MaxValues, column)
		if err == nil || err.Error() != want {
			t.Errorf("many %s:\n got %v\nwant %s", unit, err, want)
		}
	}
	for _, unknown := range []string{`{"x":[` + strings.Repeat("0,", MaxValues) + `0]}`, `{"x":{` + strings.Repeat(`"":0,`, MaxValues) + `"":0}}`} {
		if err := Unmarshal([]byte(unknown), new(specs.Spec)); err == nil || !strings.Contains(err.Error(), "values") {
			t.Errorf("many values that nobody asks for: %v", err)
		}
	}
}

func TestPathHelpers(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{Key("", "linux"), "linux"},
		{Key("linux", "sysctl"), "linux.sysctl"},
		{Key("linux.sysctl", "a.b"), `linux.sysctl["a.b"]`},
		{Key("annotations", ""), `annotations[""]`},
		{Key("annotations", "a\"\n"), `annotations["a\"\n"]`},
		{Index("mounts", 12), "mounts[12]"},
		{Quote("é" + strings.Repeat("€", 20)), `"é` + strings.Repeat("€", 12) + `..."`},
	} {
		if tc.got != tc.want {
			t.Errorf("got %s, want %s", tc.got, tc.want)
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	for _, data := range seeds(f) {
		f.Add(data)
	}
	f.Add([]byte(`{"linux":{"resources":{"blockIO":{"weightDevice":[{"major":8,"minor":0,"weight":500}]}}}}`))
	f.Add([]byte(`{"windows":{"credentialSpec":{"a":[1,2.5,null,true,"\ud83d\ude00"]}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 2*MaxValues || deeper(data, MaxDepth) {
			return
		}
		compare[specs.Spec](t, data)
		compare[everything](t, data)
	})
}

// deeper says whether data may be nested deeper than limit.
func deeper(data []byte, limit int) bool {
	return strings.Count(string(data), "[")+strings.Count(string(data), "{") > limit
}

func BenchmarkUnmarshal(b *testing.B) {
	for name, data := range seeds(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				var spec specs.Spec
				if err := Unmarshal(data, &spec); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncodingJSON(b *testing.B) {
	for name, data := range seeds(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				var spec specs.Spec
				if err := json.Unmarshal(data, &spec); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
