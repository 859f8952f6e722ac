package main

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// config is a node's configuration. Each field is a key of the file (yaml), an
// environment variable (FRESHET_ and the key in capitals, dots as underscores),
// a flag (dots and underscores as dashes) and a default (fallback).
type config struct {
	Node     string `fallback:"n1"    help:"Name of this node, unique in its cluster. A data directory belongs to one node." key:"node" placeholder:"NAME"`
	Data     string `help:"Directory that holds the log and the state; made when it isn't there. Required." key:"data" needed:"" placeholder:"DIR"`
	Insecure bool   `fallback:"false" help:"Listen on other than loopback although there is no TLS." key:"insecure"`
	Listen   struct {
		API   string `fallback:"127.0.0.1:7600" help:"Where clients reach the node." key:"api" placeholder:"HOST:PORT"`
		Peer  string `help:"Where the other nodes of a cluster reach this one; default: its address in cluster.peers." key:"peer" placeholder:"HOST:PORT"`
		Admin string `fallback:"127.0.0.1:7602" help:"Health and profiles, on loopback; off: nowhere." key:"admin" placeholder:"HOST:PORT"`
	} `embed:"" key:"listen" prefix:"listen-"`
	Advertise struct {
		API  string `help:"The address under which clients are told to reach the node; default: listen.api." key:"api" placeholder:"HOST:PORT"`
		Peer string `help:"The address under which other nodes reach the node; default: its address in cluster.peers, and no other." key:"peer" placeholder:"HOST:PORT"`
	} `embed:"" key:"advertise" prefix:"advertise-"`
	Cluster struct {
		Name       string   `fallback:"freshet" help:"Name of the cluster, for people: nodes of one cluster have the same." key:"name" placeholder:"NAME"`
		Partitions count    `fallback:"8" help:"How many partitions the cluster has, 1 to 256. Fixed when it is founded." key:"partitions" placeholder:"N"`
		Peers      peerList `help:"All nodes of the cluster, three or five, with the addresses where they reach each other; default: this node is all of it." key:"peers" placeholder:"NAME=HOST:PORT,..."`
	} `embed:"" key:"cluster" prefix:"cluster-"`
	Log struct {
		Size    size `fallback:"2GiB" help:"Bytes that the log may hold. Publishing is refused at 90 %." key:"size" placeholder:"SIZE"`
		Segment size `fallback:"128MiB" help:"Size of a file of the log, 1MiB to 1GiB, never more than a sixteenth of log.size: settled events leave the disk a file at a time. Below 64MiB it bounds a publish, to 3/32 of it." key:"segment" placeholder:"SIZE"`
	} `embed:"" key:"log" prefix:"log-"`
	Defaults struct {
		Visibility    duration  `fallback:"30s"  help:"How long a lease lasts where the subscription doesn't say, 1s to 12h." key:"visibility" placeholder:"TIME"`
		Attempts      count     `fallback:"5"    help:"How often an event is tried where the subscription doesn't say, 1 to 1,000." key:"attempts" placeholder:"N"`
		Retention     retention `fallback:"settled" help:"What a topic keeps of settled events where it isn't said when it is made: a time such as 168h, a size on each partition such as 10GiB, both with a comma, or settled, which is nothing." key:"retention" placeholder:"WHAT"`
		EventBytesMax size      `fallback:"1MiB" help:"Largest event where the topic doesn't say, at most 1MiB." key:"event_bytes_max" placeholder:"SIZE"`
	} `embed:"" key:"defaults" prefix:"defaults-"`
	Limits struct {
		Connections count `fallback:"10000" help:"How many clients may be connected." key:"connections" placeholder:"N"`
		Memory      size  `fallback:"1GiB"  help:"Bytes that all clients together may make the node hold: calls, blocks that aren't answered, answers that aren't read." key:"memory" placeholder:"SIZE"`
	} `embed:"" key:"limits" prefix:"limits-"`
	Telemetry struct {
		Log       string `fallback:"info" help:"Least level of what is logged: debug, info, warn or error." key:"log" oneof:"debug,info,warn,error" placeholder:"LEVEL"`
		LogFormat string `fallback:"auto" help:"text, json, or auto: text on a terminal, json elsewhere." key:"log_format" oneof:"auto,text,json" placeholder:"FORMAT"`
	} `embed:"" key:"telemetry" prefix:"telemetry-"`
}

// notYet are keys that freshet's documents name and this release doesn't
// honour. To pass over one silently would be to promise what isn't there.
var notYet = map[string]string{
	"tls":     "connections aren't encrypted",
	"auth":    "there are no users",
	"aws":     "there are no AWS endpoints",
	"tenants": "there are no tenants",
}

// setting is one leaf of config.
type setting struct {
	key    string // listen.api
	field  reflect.StructField
	value  reflect.Value
	origin string // where the value is from: "default", "file freshet.yaml:3", "env FRESHET_NODE", "flag --node"
}

// settings lists the leaves of a configuration in the order of its fields.
func settings(c *config) []*setting {
	var found []*setting
	collect("", reflect.ValueOf(c).Elem(), &found)
	return found
}

func collect(prefix string, group reflect.Value, found *[]*setting) {
	for i := range group.NumField() {
		field := group.Type().Field(i)
		key := prefix + field.Tag.Get("key")
		_, leaf := reflect.TypeAssert[encoding.TextUnmarshaler](group.Field(i).Addr())
		if field.Type.Kind() == reflect.Struct && !leaf {
			collect(key+".", group.Field(i), found)
			continue
		}
		*found = append(*found, &setting{key: key, field: field, value: group.Field(i)})
	}
}

func (s *setting) env() string {
	return "FRESHET_" + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

func (s *setting) flag() string { return strings.NewReplacer(".", "-", "_", "-").Replace(s.key) }

// text is the value as it would stand in a file.
func (s *setting) text() string { return fmt.Sprint(s.value.Interface()) }

// set reads the value from text, wherever that was found.
func (s *setting) set(text, origin string) error {
	if err := setFrom(s.value, text); err != nil {
		return usageFailure(fmt.Sprintf("%s %s", s.key, err), "from "+origin)
	}
	allowed := strings.Split(s.field.Tag.Get("oneof"), ",")
	if allowed[0] != "" && !slices.Contains(allowed, text) {
		refused := usageFailure(fmt.Sprintf("%s wants one of %s, got %q", s.key, strings.Join(allowed, ", "), text), "from "+origin)
		if near := closest(text, allowed); near != "" {
			refused.seen = append(refused.seen, fmt.Sprintf("closest: %q", near))
		}
		return refused
	}
	s.origin = origin
	return nil
}

// setFrom reads text into a value of one of the kinds that config uses.
func setFrom(value reflect.Value, text string) error {
	if unmarshaler, ok := reflect.TypeAssert[encoding.TextUnmarshaler](value.Addr()); ok {
		return unmarshaler.UnmarshalText([]byte(text))
	}
	switch value.Kind() {
	case reflect.String:
		value.SetString(text)
	case reflect.Bool:
		parsed, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("wants true or false, got %q", text)
		}
		value.SetBool(parsed)
	default:
		return fmt.Errorf("has the kind %s, which config.go doesn't read", value.Kind())
	}
	return nil
}
