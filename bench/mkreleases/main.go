// mkreleases clones a Helm release: it reads the Secret in which Helm keeps it
// and writes a List of Secrets, one for each number from FIRST to before END,
// with names, namespaces and values of their own: mkreleases FIRST END.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mkreleases:", err)
		os.Exit(1)
	}
}

type secret struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   metadata          `json:"metadata"`
	Type       string            `json:"type"`
	Data       map[string][]byte `json:"data"`
}

type metadata struct {
	Name      string            `json:"name"`
	Namespace string            `json:"namespace"`
	Labels    map[string]string `json:"labels"`
}

func run(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: mkreleases FIRST END")
	}
	first, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	end, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	var s secret
	if err := json.NewDecoder(in).Decode(&s); err != nil {
		return err
	}
	record, err := unpack(s.Data["release"])
	if err != nil {
		return err
	}
	clones := make([]secret, 0, end-first)
	for i := first; i < end; i++ {
		clone, err := s.clone(record, i)
		if err != nil {
			return err
		}
		clones = append(clones, clone)
	}
	return json.NewEncoder(out).Encode(map[string]any{"apiVersion": "v1", "kind": "List", "items": clones})
}

// clone changes record on the way, and leaves s as it is.
func (s secret) clone(record map[string]any, number int) (secret, error) {
	name, namespace := fmt.Sprintf("release-%d", number), fmt.Sprintf("team-%d", number%10)
	record["name"], record["namespace"] = name, namespace
	config, ok := record["config"].(map[string]any)
	if !ok {
		return secret{}, fmt.Errorf("the release has no values")
	}
	config["number"] = number
	packed, err := pack(record)
	if err != nil {
		return secret{}, err
	}
	labels := map[string]string{}
	for k, v := range s.Metadata.Labels {
		labels[k] = v
	}
	labels["name"] = name
	s.Metadata = metadata{Name: "sh.helm.release.v1." + name + ".v1", Namespace: namespace, Labels: labels}
	s.Data = map[string][]byte{"release": packed}
	return s, nil
}

// unpack opens Helm's record: JSON, gzipped, in base64 (and in base64 once
// more, as every Secret is, which encoding/json has taken off).
func unpack(packed []byte) (map[string]any, error) {
	z, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(packed)))
	if err != nil {
		return nil, err
	}
	var record map[string]any
	return record, json.NewDecoder(z).Decode(&record)
}

func pack(record map[string]any) ([]byte, error) {
	var b bytes.Buffer
	encoder := base64.NewEncoder(base64.StdEncoding, &b)
	z := gzip.NewWriter(encoder)
	if err := json.NewEncoder(z).Encode(record); err != nil {
		return nil, err
	}
	if err := errors.Join(z.Close(), encoder.Close()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
