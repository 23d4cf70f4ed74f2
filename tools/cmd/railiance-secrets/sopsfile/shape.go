package sopsfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"

	"github.com/getsops/sops/v3"
	"go.yaml.in/yaml/v3"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/tell"
)

// wellFormed refuses what sops could not read, or could not survive: it follows
// the aliases of YAML wherever they lead, around in circles as well, and goes
// down into JSON however deep it is.
func wellFormed(kind string, data []byte) error {
	switch kind {
	case ".json":
		return wellFormedJSON(data)
	case ".env":
		return wellFormedDotenv(data)
	}
	return wellFormedYAML(data)
}

// lineOf finds the line in an error of the YAML reader, which may quote the
// text otherwise.
var lineOf = regexp.MustCompile(`^yaml: line (\d+):`)

func wellFormedYAML(data []byte) error {
	d := yaml.NewDecoder(bytes.NewReader(data))
	for documents := 0; ; documents++ {
		var node yaml.Node
		err := d.Decode(&node)
		if err == io.EOF {
			break
		}
		if err != nil {
			where := ""
			if m := lineOf.FindStringSubmatch(err.Error()); m != nil {
				where = "line " + m[1] + ": "
			}
			return errors.New(where + "not YAML")
		}
		if documents > 0 {
			return errors.New("it has several documents, of which an environment could only be one")
		}
		if err := noAliases(&node); err != nil {
			return err
		}
		if err := noTwins(&node); err != nil {
			return err
		}
	}
	return nil
}

func noAliases(node *yaml.Node) error {
	if node.Kind == yaml.AliasNode || node.Anchor != "" {
		return tell.Hint(fmt.Errorf("line %d: an anchor or alias of YAML, which sops never writes", node.Line), "a text that begins with & or * needs quotes")
	}
	for _, child := range node.Content {
		if err := noAliases(child); err != nil {
			return err
		}
	}
	return nil
}

// noTwins tells which name is there twice; sops would quote more of the file.
func noTwins(document *yaml.Node) error {
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return errors.New("not names with values, as an environment has them")
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(document.Content[0].Content); i += 2 {
		name := document.Content[0].Content[i]
		if name.Kind == yaml.ScalarNode && seen[name.Value] {
			return fmt.Errorf("line %d: %s is there twice", name.Line, shown(name.Value))
		}
		seen[name.Value] = true
	}
	return nil
}

func wellFormedJSON(data []byte) error {
	var syntax *json.SyntaxError
	var object json.RawMessage
	switch err := json.Unmarshal(data, &object); {
	case errors.As(err, &syntax):
		return fmt.Errorf("line %d: not JSON", 1+bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n")))
	case err != nil:
		return errors.New("not JSON")
	case len(object) == 0 || object[0] != '{':
		return errors.New("not names with values, as an environment has them")
	}
	return nil
}

func wellFormedDotenv(data []byte) error {
	n := 0
	for line := range bytes.Lines(data) {
		n++
		line = bytes.TrimSuffix(line, []byte("\n"))
		if len(line) > 0 && line[0] != '#' && !bytes.ContainsRune(line, '=') {
			return tell.Hint(fmt.Errorf("line %d: not NAME=value", n), "sops knows neither blank space before a name or a # nor values of several lines; \\n stands for a line's end")
		}
	}
	return nil
}

// flat refuses what cannot become an environment, before anything is decrypted.
func flat(tree sops.Tree) error {
	if len(tree.Branches) != 1 {
		return errors.New("not names with values, as an environment has them")
	}
	if n := len(tree.Branches[0]); n > maxEntries {
		return fmt.Errorf("it has %d values, at most %d are read", n, maxEntries)
	}
	m := tree.Metadata
	for _, rule := range []string{m.EncryptedRegex, m.UnencryptedRegex, m.EncryptedCommentRegex, m.UnencryptedCommentRegex} {
		if len(rule) > maxRule {
			return fmt.Errorf("the regular expression of what is encrypted has %s", tell.Bytes(int64(len(rule))))
		}
	}
	seen := map[string]bool{}
	for _, item := range tree.Branches[0] {
		if _, comment := item.Key.(sops.Comment); comment {
			continue
		}
		name, text := item.Key.(string)
		if !text {
			return errors.New("a name that is not text; names with digits alone need quotes, and are none for a variable")
		}
		if seen[name] {
			return fmt.Errorf("%s is there twice", shown(name))
		}
		seen[name] = true
		switch value := item.Value.(type) {
		case sops.TreeBranch:
			return nested(name, below(value))
		case []any:
			return nested(name, "[0]")
		case nil:
			return tell.Hint(fmt.Errorf("%s: it has no value", shown(name)), `an empty text is ""`)
		}
	}
	return nil
}

// below is how the path goes on under a name.
func below(branch sops.TreeBranch) string {
	for _, item := range branch {
		if name, ok := item.Key.(string); ok {
			return "." + shown(name)
		}
	}
	return ""
}

func nested(name, below string) error {
	return tell.Hint(fmt.Errorf("%s%s: a value inside of a value, which no variable can be", shown(name), below),
		"one name and one text a line, all at the top of the file")
}

// exact is up to where every whole number has a float64 of its own.
const exact = 1 << 53

// scalar is a decrypted value as text.
func scalar(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case []byte:
		return string(v), nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		if math.IsNaN(v) || math.Abs(v) >= exact {
			return "", tell.Hint(errors.New("a number that sops kept only approximately"), "put quotes around it with `sops edit`: then it is text, and stays as it is")
		}
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	}
	return "", tell.Hint(errors.New("neither text nor a number nor true or false"), "put quotes around it with `sops edit`")
}

// shown is a name as far as a message has room for it.
func shown(name string) string {
	if len(name) > 60 {
		name = name[:60] + "…"
	}
	return host.Printable(name)
}
