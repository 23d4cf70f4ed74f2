package kubeconfig

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// file is the part of a kubeconfig that we look at, in its own spelling.
type file struct {
	APIVersion     string         `yaml:"apiVersion"`
	Kind           string         `yaml:"kind"`
	CurrentContext string         `yaml:"current-context"`
	Clusters       []namedCluster `yaml:"clusters"`
	Contexts       []namedContext `yaml:"contexts"`
	Users          []namedUser    `yaml:"users"`
}

type namedCluster struct {
	Name    string  `yaml:"name"`
	Cluster cluster `yaml:"cluster"`
}

type cluster struct {
	Server     string `yaml:"server"`
	CAFile     string `yaml:"certificate-authority"`
	CAData     *data  `yaml:"certificate-authority-data"`
	SkipVerify bool   `yaml:"insecure-skip-tls-verify"`
}

type namedContext struct {
	Name    string `yaml:"name"`
	Context struct {
		Cluster string `yaml:"cluster"`
		User    string `yaml:"user"`
	} `yaml:"context"`
}

type namedUser struct {
	Name string `yaml:"name"`
	User user   `yaml:"user"`
}

type user struct {
	CertFile     string     `yaml:"client-certificate"`
	CertData     *data      `yaml:"client-certificate-data"`
	KeyFile      string     `yaml:"client-key"`
	KeyData      *data      `yaml:"client-key-data"`
	Token        string     `yaml:"token"`
	TokenFile    string     `yaml:"tokenFile"`
	Username     string     `yaml:"username"`
	Password     string     `yaml:"password"`
	Exec         *yaml.Node `yaml:"exec"`
	AuthProvider *yaml.Node `yaml:"auth-provider"`
}

// data is a value that is base64 in the file.
type data []byte

var errBase64 = errors.New("not base64")

func (d *data) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n == nil || n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: not text", line(n))
	}
	// A value wrapped over lines is base64 all the same.
	text := strings.Join(strings.Fields(n.Value), "")
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return fmt.Errorf("line %d: %w", n.Line, errBase64)
	}
	*d = b
	return nil
}

func line(n *yaml.Node) int {
	if n == nil {
		return 0
	}
	return n.Line
}

var lineNumber = regexp.MustCompile(`line \d+`)

// blind keeps of a YAML error only the line: its text quotes the file, where
// the next word may be a token.
func blind(err error) error {
	what := "not YAML"
	var wrong *yaml.TypeError
	switch {
	case errors.Is(err, errBase64):
		what = "a value that has to be base64 is not: the file may be torn"
	case errors.As(err, &wrong):
		what = "a field has the wrong type or comes twice"
	}
	if at := lineNumber.FindString(err.Error()); at != "" {
		return fmt.Errorf("%s: %s", at, what)
	}
	return errors.New(what)
}
