// Package strictyaml reads configuration files in YAML so that nothing in them
// is misunderstood in silence: a key that does not exist, one that is there twice
// and a value of another kind are errors that name the file and the line.
package strictyaml

import (
	"bytes"
	"crypto/sha256"
	"encoding"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFileBytes bounds what is read; a configuration has some kilobytes.
const maxFileBytes = 4 << 20

// Document is a file that has been read.
type Document struct {
	name string
	sum  [sha256.Size]byte
	root *yaml.Node // its one value, or nil if it is empty
}

// ReadFile reads a file.
func ReadFile(path string) (*Document, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("%s: longer than %d bytes: no configuration", path, maxFileBytes)
	}
	return Parse(path, data)
}

// Parse reads what stands in a file. name is what messages call it.
func Parse(name string, data []byte) (*Document, error) {
	d := yaml.NewDecoder(bytes.NewReader(data))
	sum := sha256.Sum256(data)
	var root, more yaml.Node
	switch err := d.Decode(&root); {
	case err == io.EOF:
		return &Document{name: name, sum: sum}, nil
	case err != nil:
		return nil, located(name, err)
	}
	if err := d.Decode(&more); err != io.EOF {
		return nil, fmt.Errorf("%s: a second document begins: want one", name)
	}
	doc := &Document{name, sum, &root}
	if root.Kind == yaml.DocumentNode {
		doc.root = root.Content[0]
	}
	return doc, nil
}

// Digest is the name of the file and the SHA-256 of what stands in it: which
// version of it was read.
func (d *Document) Digest() string {
	return fmt.Sprintf("%s sha256:%x", filepath.Base(d.name), d.sum)
}

// Decode puts the document into the struct to which v points. The error names
// every fault.
func (d *Document) Decode(v any) error {
	if d.root == nil {
		return nil
	}
	c := checker{doc: d}
	c.check(d.root, reflect.TypeOf(v).Elem(), "", 0)
	if len(c.errs) > 0 {
		return errors.Join(c.errs...)
	}
	if err := d.root.Decode(v); err != nil {
		return located(d.name, err)
	}
	return nil
}

// Errorf is an error about the value at a path such as "rules[2].paths". Where
// there is none, it is about what is nearest around it.
func (d *Document) Errorf(path, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s: %w", d.name, d.Line(path), path, fmt.Errorf(format, args...))
}

// Line is the line on which the value at a path stands, or what is nearest
// around it.
func (d *Document) Line(path string) int {
	n, line := d.root, 1
	for _, step := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		n = resolved(n)
		if n == nil {
			break
		}
		var next *yaml.Node
		if i, err := strconv.Atoi(step); err == nil && n.Kind == yaml.SequenceNode && i < len(n.Content) {
			next = n.Content[i]
			line = next.Line
		} else if n.Kind == yaml.MappingNode {
			for i := 0; i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == step {
					line, next = n.Content[i].Line, n.Content[i+1]
				}
			}
		}
		n = next
	}
	return line
}

func resolved(n *yaml.Node) *yaml.Node {
	for range 8 {
		if n == nil || n.Kind != yaml.AliasNode {
			break
		}
		n = n.Alias
	}
	return n
}

var lineIn = regexp.MustCompile(`^(?:yaml: )?line (\d+): `)

// located is an error of the YAML package, one for each line of it, with the
// file's name and the line in front.
func located(name string, err error) error {
	texts := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	if many, ok := errors.AsType[*yaml.TypeError](err); ok {
		texts = many.Errors
	}
	var errs []error
	for _, s := range texts {
		s = strings.NewReplacer("!!str ", "", "!!int ", "", "!!seq", "a list", "!!map", "a mapping", "cannot unmarshal", "can't read", "time.Duration", "a duration such as 2s").Replace(s)
		if m := lineIn.FindStringSubmatch(s); m != nil {
			s = m[1] + ": " + s[len(m[0]):]
		} else {
			s = " " + s
		}
		errs = append(errs, errors.New(name+":"+s))
	}
	return errors.Join(errs...)
}

// checker looks for keys that do not exist.
type checker struct {
	doc  *Document
	errs []error
}

const maxDepth = 32

func (c *checker) check(n *yaml.Node, t reflect.Type, path string, depth int) {
	n = resolved(n)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n == nil || depth > maxDepth {
		return
	}
	if readsItself(t) {
		if err := read(n, reflect.New(t).Interface()); err != nil {
			c.errs = append(c.errs, fmt.Errorf("%s:%d: %s: %w", c.doc.name, n.Line, path, err))
		}
		return
	}
	switch {
	case n.Kind == yaml.MappingNode && t.Kind() == reflect.Struct:
		c.checkStruct(n, t, path, depth)
	case n.Kind == yaml.MappingNode && t.Kind() == reflect.Map:
		for i := 0; i+1 < len(n.Content); i += 2 {
			c.check(n.Content[i+1], t.Elem(), join(path, n.Content[i].Value), depth+1)
		}
	case n.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice:
		for i := range n.Content {
			at := fmt.Sprintf("%s[%d]", path, i)
			if isNull(n.Content[i]) { // the decoder would leave it out
				c.errs = append(c.errs, fmt.Errorf("%s:%d: %s: there is nothing", c.doc.name, n.Content[i].Line, at))
				continue
			}
			c.check(n.Content[i], t.Elem(), at, depth+1)
		}
	case isNull(n) && t.Kind() == reflect.Slice && path != "":
		c.errs = append(c.errs, fmt.Errorf("%s:%d: %s: there is nothing: want a list, or leave it out", c.doc.name, n.Line, path))
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func (c *checker) checkStruct(n *yaml.Node, t reflect.Type, path string, depth int) {
	fields, rest := fieldsOf(t)
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Tag == "!!merge" {
			c.errs = append(c.errs, fmt.Errorf("%s:%d: %s: merge keys (<<) are not used here", c.doc.name, key.Line, join(path, key.Value)))
			continue
		}
		if line, twice := seen[key.Value]; twice {
			c.errs = append(c.errs, fmt.Errorf("%s:%d: %s: there already on line %d", c.doc.name, key.Line, join(path, key.Value), line))
		}
		seen[key.Value] = key.Line
		at := slices.IndexFunc(fields, func(f field) bool { return f.name == key.Value })
		switch {
		case at >= 0:
			c.check(n.Content[i+1], fields[at].of, join(path, key.Value), depth+1)
		case !rest:
			c.errs = append(c.errs, fmt.Errorf("%s:%d: %s: no such key: want one of %s", c.doc.name, key.Line, join(path, key.Value), names(fields)))
		}
	}
}

// field is a key of a mapping.
type field struct {
	name, doc string
	of        reflect.Type
}

// fieldsOf are the keys of a struct. rest says that it takes any other as well.
func fieldsOf(t reflect.Type) (fields []field, rest bool) {
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() || name == "-":
		case strings.Contains(options, "inline") && f.Type.Kind() == reflect.Map:
			rest = true
		case strings.Contains(options, "inline"):
			inner, more := fieldsOf(f.Type)
			fields, rest = append(fields, inner...), rest || more
		default:
			if name == "" {
				name = strings.ToLower(f.Name)
			}
			fields = append(fields, field{name, f.Tag.Get("doc"), f.Type})
		}
	}
	return fields, rest
}

func names(fields []field) string {
	var all []string
	for _, f := range fields {
		all = append(all, f.name)
	}
	return strings.Join(all, ", ")
}

func readsItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[yaml.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// read lets a value read itself, to learn what is wrong with it and where.
func read(n *yaml.Node, v any) error {
	switch v := v.(type) {
	case yaml.Unmarshaler:
		return v.UnmarshalYAML(n)
	case encoding.TextUnmarshaler:
		if n.Kind == yaml.ScalarNode {
			return v.UnmarshalText([]byte(n.Value))
		}
	}
	return nil
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// Table is a table in Markdown of all keys of the struct v, in their order, each
// with what its tag doc says. Elements of lists are written as in rules[].paths.
// What is below the keys without is left out. It fails if one says nothing.
func Table(v any, without ...string) (string, error) {
	var b strings.Builder
	var errs []error
	b.WriteString("| key | |\n| --- | --- |\n")
	for _, k := range keysOf(reflect.TypeOf(v), "") {
		if slices.ContainsFunc(without, func(w string) bool { return strings.HasPrefix(k.path, w+".") }) {
			continue
		}
		if k.doc == "" {
			errs = append(errs, fmt.Errorf("the key %s has no tag doc", k.path))
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", k.path, k.doc)
	}
	return b.String(), errors.Join(errs...)
}

type key struct{ path, doc string }

func keysOf(t reflect.Type, path string) (keys []key) {
	fields, _ := fieldsOf(t)
	for _, f := range fields {
		name := join(path, f.name)
		keys = append(keys, key{name, f.doc})
		of := f.of
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			if of.Kind() == reflect.Slice {
				name += "[]"
			}
			of = of.Elem()
		}
		if of.Kind() == reflect.Struct && !readsItself(of) {
			keys = append(keys, keysOf(of, name)...)
		}
	}
	return keys
}
