package cluster

import (
	"fmt"
	"os"

	"github.com/goccy/go-yaml"
)

// configuration is a node's as `freshet serve` reads it: anybody can go on with
// `freshet serve --config DIR/n1.yaml` when the parent is gone.
type configuration struct {
	Node     string `yaml:"node"`
	Data     string `yaml:"data"`
	Insecure bool   `yaml:"insecure,omitempty"`
	Listen   struct {
		API   string `yaml:"api"`
		Peer  string `yaml:"peer,omitempty"`
		Admin string `yaml:"admin"`
	} `yaml:"listen"`
	Cluster struct {
		Name       string   `yaml:"name"`
		Partitions int      `yaml:"partitions,omitempty"`
		Peers      []string `yaml:"peers,omitempty"`
	} `yaml:"cluster"`
	Log struct {
		Size string `yaml:"size"`
	} `yaml:"log"`
	Telemetry struct {
		Log       string `yaml:"log"`
		LogFormat string `yaml:"log_format"`
	} `yaml:"telemetry"`
}

// writeConfiguration writes a node's file.
func writeConfiguration(n *Node, all []*Node) error {
	c := configuration{Node: n.name, Data: n.Data()}
	// Where it lives is a network of its own, then.
	c.Insecure = n.place.Host != hostDefault
	c.Listen.API, c.Listen.Peer, c.Listen.Admin = n.API(), n.Peer(), n.Admin()
	c.Cluster.Name, c.Cluster.Partitions = n.options.Name, n.options.Partitions
	if len(all) > 1 {
		for _, peer := range all {
			c.Cluster.Peers = append(c.Cluster.Peers, peer.name+"="+peer.Peer())
		}
	}
	c.Log.Size = fmt.Sprintf("%dB", n.options.LogBytes)
	c.Telemetry.Log, c.Telemetry.LogFormat = n.options.LogLevel, "text"
	text, err := yaml.Marshal(c)
	if err != nil {
		return fmt.Errorf("configuration of node %s: %w", n.name, err)
	}
	if err := os.WriteFile(n.Configuration(), text, 0o600); err != nil {
		return fmt.Errorf("configuration of node %s: %w", n.name, err)
	}
	return nil
}
