package raftlog

import (
	"encoding/json"
	"fmt"

	"github.com/hashicorp/raft"
)

// Member is one of the nodes that a group consists of.
type Member struct {
	// Node is its name: NodeOptions.Name. A name stands for one data directory, and is not used again for another.
	Node string
	// Address is where its transport is reached.
	Address string
	// Voter: it counts for majorities, and may lead. Others follow.
	Voter bool
}

// membership is how CheckpointMeta.Membership is written: as JSON, so that it can be read without the library.
type membership struct {
	Members []memberForm `json:"members"`
}

type memberForm struct {
	Node    string `json:"node"`
	Address string `json:"address"`
	Vote    string `json:"vote"`
}

var suffrages = map[string]raft.ServerSuffrage{"yes": raft.Voter, "no": raft.Nonvoter, "soon": raft.Staging}

func encodeMembership(configuration raft.Configuration) ([]byte, error) {
	var form membership
	for _, server := range configuration.Servers {
		m := memberForm{Node: string(server.ID), Address: string(server.Address)}
		for vote, suffrage := range suffrages {
			if suffrage == server.Suffrage {
				m.Vote = vote
			}
		}
		form.Members = append(form.Members, m)
	}
	text, err := json.Marshal(form)
	if err != nil {
		return nil, fmt.Errorf("raftlog: encoding the members: %w", err)
	}
	return text, nil
}

func decodeMembership(text []byte) (raft.Configuration, error) {
	var form membership
	if err := json.Unmarshal(text, &form); err != nil {
		return raft.Configuration{}, fmt.Errorf("raftlog: the members of a checkpoint: %w", err)
	}
	var configuration raft.Configuration
	for _, m := range form.Members {
		suffrage, known := suffrages[m.Vote]
		if !known {
			return raft.Configuration{}, fmt.Errorf("raftlog: the members of a checkpoint: %q has the vote %q", m.Node, m.Vote)
		}
		configuration.Servers = append(configuration.Servers, raft.Server{
			Suffrage: suffrage, ID: raft.ServerID(m.Node), Address: raft.ServerAddress(m.Address),
		})
	}
	return configuration, nil
}

// configurationOf is the library's form of members.
func configurationOf(members []Member) raft.Configuration {
	var configuration raft.Configuration
	for _, m := range members {
		server := raft.Server{Suffrage: raft.Nonvoter, ID: raft.ServerID(m.Node), Address: raft.ServerAddress(m.Address)}
		if m.Voter {
			server.Suffrage = raft.Voter
		}
		configuration.Servers = append(configuration.Servers, server)
	}
	return configuration
}

// membersOf is the reverse.
func membersOf(configuration raft.Configuration) []Member {
	var members []Member
	for _, server := range configuration.Servers {
		members = append(members, Member{Node: string(server.ID), Address: string(server.Address), Voter: server.Suffrage == raft.Voter})
	}
	return members
}
