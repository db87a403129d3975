// Package jsonfield decodes JSON into Go structs, and names the field, the line
// and the column where that fails; and it encodes what is to be decoded again.
//
// It accepts the documents that encoding/json accepts and gives the same
// values (a fuzz test compares the two), with three differences: the nesting
// is bounded by MaxDepth and the number of values by MaxValues, the document
// ends where its value ends, and a value of the wrong type ends the decoding at
// once.
//
// It exists because a runtime decodes one document and exits. Before its first
// byte encoding/json builds decoders, and encoders, for every type that
// specs.Spec can reach, those for Windows and z/OS included: 1 ms for a
// document that then takes 0.2 ms. Here a struct's fields are looked up when
// the first such object is met, and strings are slices of the document.
package jsonfield

import (
	"reflect"
	"strconv"
	"strings"
)

// MaxDepth is how deeply arrays and objects may be nested. The deepest field
// of the runtime spec is at 6; unknown fields may need more.
const MaxDepth = 256

// MaxValues is how many elements and members all arrays and objects of a
// document may have together. An empty object takes two bytes of a document and
// more than a hundred of memory, so that a file's size alone is no bound: 16 MiB
// of them took 1.4 GB and 14 s. Ten thousand mounts have some 80,000.
const MaxValues = 1 << 18

// Unmarshal decodes the one JSON value that data consists of into v, a non-nil
// pointer to a struct, map, slice, string, boolean, integer, any, or pointer
// or combination of these; struct fields are named by their json tags.
// Unknown fields are ignored, the last of duplicate fields counts, and names
// match regardless of case where none matches exactly, as in encoding/json.
//
// Errors are *errdefs.Error. Their Field is the path in the document, as in
// process.args[0]; Doing is set if the document is not JSON, and empty if it
// is and a value has the wrong type.
func Unmarshal(data []byte, v any) error {
	target := reflect.ValueOf(v)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		panic("jsonfield: Unmarshal into something that is not a pointer")
	}
	d := &decoder{src: string(data), path: make([]step, 0, 16)}
	if err := d.value(target.Elem()); err != nil {
		return err
	}
	d.space()
	if d.pos < len(d.src) {
		return d.syntaxError("expected the end of the file")
	}
	return nil
}

// Raw is a JSON value that is kept as it stands in the document: decoding
// checks its syntax, encoding copies it.
type Raw []byte

var rawType = reflect.TypeFor[Raw]()

// raw keeps the value at the position.
func (d *decoder) raw(v reflect.Value) error {
	begin := d.pos
	if err := d.skip(); err != nil {
		return err
	}
	v.SetBytes([]byte(d.src[begin:d.pos]))
	return nil
}

// decoder is a position in a document. When a method returns an error, path
// is left where the error happened.
type decoder struct {
	src     string
	pos     int
	depth   int
	values  int
	path    []step
	structs []structFields
}

// value decodes the value at the position into v.
func (d *decoder) value(v reflect.Value) error {
	d.space()
	if v.Type() == rawType {
		return d.raw(v)
	}
	if d.peek() == 'n' {
		return d.null(v)
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		return d.value(v.Elem())
	case reflect.String:
		if d.peek() != '"' {
			return d.typeError("string")
		}
		s, err := d.str()
		v.SetString(s)
		return err
	case reflect.Bool:
		return d.boolean(v)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return d.integer(v)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return d.integer(v)
	case reflect.Struct:
		return d.structure(v)
	case reflect.Slice:
		return d.slice(v)
	case reflect.Map:
		return d.stringMap(v)
	case reflect.Interface:
		return d.anything(v)
	}
	panic("jsonfield: cannot decode into " + v.Type().String())
}

// null decodes null: nothing where the type can express it, else no change.
func (d *decoder) null(v reflect.Value) error {
	if err := d.literal("null"); err != nil {
		return err
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		v.SetZero()
	}
	return nil
}

func (d *decoder) boolean(v reflect.Value) error {
	switch d.peek() {
	case 't':
		v.SetBool(true)
		return d.literal("true")
	case 'f':
		v.SetBool(false)
		return d.literal("false")
	}
	return d.typeError("boolean")
}

func (d *decoder) integer(v reflect.Value) error {
	if c := d.peek(); c != '-' && (c < '0' || c > '9') {
		return d.typeError("integer")
	}
	start := d.pos
	number, err := d.number()
	if err != nil {
		return err
	}
	bits := v.Type().Bits()
	if v.CanInt() {
		var i int64
		if i, err = strconv.ParseInt(number, 10, bits); err == nil {
			v.SetInt(i)
		}
	} else {
		var u uint64
		if u, err = strconv.ParseUint(number, 10, bits); err == nil {
			v.SetUint(u)
		}
	}
	if err != nil {
		d.pos = start
		return d.wrong("expected " + integerRange(v.Type()) + ", got " + clip(number))
	}
	return nil
}

// integerRange describes what fits into the integer type t.
func integerRange(t reflect.Type) string {
	bits := t.Bits()
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		limit := int64(1) << (bits - 1)
		return "an integer from " + strconv.FormatInt(-limit, 10) + " to " + strconv.FormatInt(limit-1, 10)
	}
	return "an integer from 0 to " + strconv.FormatUint(^uint64(0)>>(64-bits), 10)
}

func (d *decoder) structure(v reflect.Value) error {
	if d.peek() != '{' {
		return d.typeError("object")
	}
	fields := d.fields(v.Type())
	return d.object(func(key string) error {
		f := find(fields, key)
		if f == nil {
			return d.skip()
		}
		return d.value(v.FieldByIndex(f.index))
	})
}

// slice decodes an array. Elements that are there already, because the field
// occurs twice, are decoded into rather than replaced: encoding/json does so.
func (d *decoder) slice(v reflect.Value) error {
	if d.peek() != '[' {
		return d.typeError("array")
	}
	n := 0
	err := d.array(func(i int) error {
		if i >= v.Cap() {
			v.Grow(1)
		}
		if i >= v.Len() {
			v.SetLen(i + 1)
		}
		n = i + 1
		return d.value(v.Index(i))
	})
	if err != nil {
		return err
	}
	if n == 0 {
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	}
	v.SetLen(n)
	return nil
}

func (d *decoder) stringMap(v reflect.Value) error {
	if d.peek() != '{' {
		return d.typeError("object")
	}
	t := v.Type()
	if v.IsNil() {
		v.Set(reflect.MakeMap(t))
	}
	return d.object(func(key string) error {
		element := reflect.New(t.Elem()).Elem()
		if err := d.value(element); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(key).Convert(t.Key()), element)
		return nil
	})
}

// anything decodes into an interface: a string, a bool, a float64, a []any or
// a map[string]any.
func (d *decoder) anything(v reflect.Value) error {
	var err error
	var value reflect.Value
	switch d.peek() {
	case '{':
		value = reflect.New(reflect.TypeFor[map[string]any]()).Elem()
		err = d.stringMap(value)
	case '[':
		value = reflect.New(reflect.TypeFor[[]any]()).Elem()
		err = d.slice(value)
	case '"':
		value = reflect.New(reflect.TypeFor[string]()).Elem()
		err = d.value(value)
	case 't', 'f':
		value = reflect.New(reflect.TypeFor[bool]()).Elem()
		err = d.boolean(value)
	default:
		var f float64
		f, err = d.float()
		value = reflect.ValueOf(f)
	}
	if err == nil {
		v.Set(value)
	}
	return err
}

func (d *decoder) float() (float64, error) {
	start := d.pos
	number, err := d.number()
	if err != nil {
		return 0, err
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil {
		d.pos = start
		return 0, d.wrong("expected a number that fits into 64 bits, got " + clip(number))
	}
	return f, nil
}

// structFields are the fields of one struct type by their JSON names.
type structFields struct {
	of     reflect.Type
	fields []field
}

type field struct {
	name  string
	index []int
}

// fields returns the fields of the struct type t.
func (d *decoder) fields(t reflect.Type) []field {
	for i := range d.structs {
		if d.structs[i].of == t {
			return d.structs[i].fields
		}
	}
	fields := appendFields(make([]field, 0, t.NumField()), t, nil)
	d.structs = append(d.structs, structFields{t, fields})
	return fields
}

// appendFields adds the fields of t, found at the index prefix, to fields.
// Those of an embedded struct come last, so that find prefers the outer ones.
func appendFields(fields []field, t reflect.Type, prefix []int) []field {
	var embedded []reflect.StructField
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct:
			embedded = append(embedded, f)
			continue
		case !f.IsExported() || name == "-":
			continue
		case name == "":
			name = f.Name
		}
		fields = append(fields, field{name, join(prefix, f.Index)})
	}
	for _, f := range embedded {
		fields = appendFields(fields, f.Type, join(prefix, f.Index))
	}
	return fields
}

func join(prefix, index []int) []int {
	if len(prefix) == 0 {
		return index
	}
	return append(prefix[:len(prefix):len(prefix)], index...)
}

// find returns the field called key, or nil.
func find(fields []field, key string) *field {
	for i := range fields {
		if fields[i].name == key {
			return &fields[i]
		}
	}
	for i := range fields {
		if strings.EqualFold(fields[i].name, key) {
			return &fields[i]
		}
	}
	return nil
}
