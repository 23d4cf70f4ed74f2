package guide

import (
	"embed"
	"fmt"
	"regexp"
	"strings"
)

// Not text/template: its reflection keeps four megabytes of methods in an
// executable that would drop them.
//
//go:embed commands.sh restore.md machine.txt others.txt elsewhere.txt
var texts embed.FS

var (
	place = regexp.MustCompile(`(?m)(^ +)?\{\{([a-z0-9-]+)\}\}`)
	begin = regexp.MustCompile(`(?m)^#: ([a-z]+)\n`)
)

// fill is the text called name with every {{place}} filled: by a value, or by a
// block of commands.sh. What is indented stays so, all its lines.
//
// datastore names the block that stands for {{datastore}}.
func fill(name, datastore string, values map[string]string) ([]byte, error) {
	text, err := texts.ReadFile(name)
	if err != nil {
		return nil, err
	}
	commands, err := texts.ReadFile("commands.sh")
	if err != nil {
		return nil, err
	}
	named := blocks(string(commands))
	named["datastore"] = named[datastore]
	filled, err := replace(string(text), values, named)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return []byte(filled), nil
}

// replace fills text; blocks may hold values, and values hold nothing that is
// filled.
func replace(text string, values, blocks map[string]string) (string, error) {
	var failed error
	filled := place.ReplaceAllStringFunc(text, func(found string) string {
		match := place.FindStringSubmatch(found)
		indent, name := match[1], match[2]
		if value, there := values[name]; there {
			return indent + value
		}
		block, there := blocks[name]
		if !there {
			failed = fmt.Errorf("nothing fills {{%s}}", name)
			return found
		}
		inner, err := replace(block, values, nil)
		if err != nil {
			failed = err
		}
		return indent + strings.ReplaceAll(inner, "\n", "\n"+indent)
	})
	return filled, failed
}

// blocks cuts the commands at their names.
func blocks(commands string) map[string]string {
	found := map[string]string{}
	marks := begin.FindAllStringSubmatchIndex(commands, -1)
	for i, m := range marks {
		end := len(commands)
		if i+1 < len(marks) {
			end = marks[i+1][0]
		}
		found[commands[m[2]:m[3]]] = strings.TrimSpace(commands[m[1]:end])
	}
	return found
}

// inQuotes is s as it stands between double quotes in a shell.
func inQuotes(s string) string {
	return strings.NewReplacer("\\", "\\\\", `"`, `\"`, "$", `\$`, "`", "\\`").Replace(s)
}
