package access

import (
	"bytes"
	"errors"
	"io"

	"gopkg.in/yaml.v3"
)

// rule is a creation rule with every field that sops knows: a field that is
// in none of them is refused, because sops ignores it, and a misspelt
// path_regex would silently match every path.
type rule struct {
	PathRegex     string     `yaml:"path_regex"`
	Age           yaml.Node  `yaml:"age"`
	KeyGroups     []keyGroup `yaml:"key_groups"`
	PGP           yaml.Node  `yaml:"pgp"`
	KMS           yaml.Node  `yaml:"kms"`
	GCPKMS        yaml.Node  `yaml:"gcp_kms"`
	HCKMS         yaml.Node  `yaml:"hckms"`
	AzureKeyVault yaml.Node  `yaml:"azure_keyvault"`
	Vault         yaml.Node  `yaml:"hc_vault_transit_uri"`

	// How sops treats the inside of a document; an artifact has none.
	AWSProfile              yaml.Node `yaml:"aws_profile"`
	ShamirThreshold         yaml.Node `yaml:"shamir_threshold"`
	UnencryptedSuffix       yaml.Node `yaml:"unencrypted_suffix"`
	EncryptedSuffix         yaml.Node `yaml:"encrypted_suffix"`
	UnencryptedRegex        yaml.Node `yaml:"unencrypted_regex"`
	EncryptedRegex          yaml.Node `yaml:"encrypted_regex"`
	UnencryptedCommentRegex yaml.Node `yaml:"unencrypted_comment_regex"`
	EncryptedCommentRegex   yaml.Node `yaml:"encrypted_comment_regex"`
	MACOnlyEncrypted        yaml.Node `yaml:"mac_only_encrypted"`

	Unknown map[string]yaml.Node `yaml:",inline"`

	line int
}

// keyGroup has no UnmarshalYAML on purpose: the protection of the YAML
// package against aliases that multiply themselves ends at each such method.
type keyGroup struct {
	Merge         []keyGroup           `yaml:"merge"`
	Age           yaml.Node            `yaml:"age"`
	PGP           yaml.Node            `yaml:"pgp"`
	KMS           yaml.Node            `yaml:"kms"`
	GCPKMS        yaml.Node            `yaml:"gcp_kms"`
	HCKMS         yaml.Node            `yaml:"hckms"`
	AzureKeyVault yaml.Node            `yaml:"azure_keyvault"`
	Vault         yaml.Node            `yaml:"hc_vault"`
	Unknown       map[string]yaml.Node `yaml:",inline"`
}

// parse returns the creation rules of a .sops.yaml. There is at least one.
func parse(file string, data []byte) ([]rule, error) {
	// Unknown fields at the top are where people keep their anchors, so
	// they are let be, other than those inside of a rule.
	var config struct {
		CreationRules []rule `yaml:"creation_rules"`
	}
	var doc yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(data))
	err := d.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return nil, at{file: file}.errorf("the file is empty; remove it, and `make init` makes one")
	}
	if err != nil {
		return nil, at{file: file}.errorf("%s", redact(err.Error()))
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, at{file: file}.errorf("more follows after the first YAML document, which sops would ignore; put all rules into one document")
	}
	if err := doc.Decode(&config); err != nil {
		return nil, at{file: file}.errorf("%s", redact(err.Error()))
	}
	if len(config.CreationRules) == 0 {
		return nil, at{file: file}.errorf("the file has no creation_rules, so it says of no path who may read it; add a rule with an age recipient")
	}
	for i, line := range ruleLines(&doc) {
		if i < len(config.CreationRules) {
			config.CreationRules[i].line = line
		}
	}
	return config.CreationRules, nil
}

// ruleLines returns the line of each creation rule, for errors to name.
func ruleLines(doc *yaml.Node) []int {
	top := doc
	if top.Kind == yaml.DocumentNode && len(top.Content) == 1 {
		top = resolve(top.Content[0])
	}
	if top.Kind != yaml.MappingNode {
		return nil
	}
	var lines []int
	for i := 0; i+1 < len(top.Content); i += 2 {
		if top.Content[i].Value != "creation_rules" {
			continue
		}
		for _, r := range resolve(top.Content[i+1]).Content {
			// An item without a value becomes no rule when it is decoded.
			if resolve(r).ShortTag() != "!!null" {
				lines = append(lines, r.Line)
			}
		}
	}
	return lines
}

// resolve follows an alias to what it stands for.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}
