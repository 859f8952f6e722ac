package catalog

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/freshet-mq/freshet/broker/internal/catalog/catalogpb"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// formVersion is that of commands and checkpoints.
const formVersion = 1

var (
	// ErrVersion marks a command or a checkpoint of a newer release, which this one can't carry out.
	ErrVersion = errors.New("catalog: made by a newer release")
	// ErrCorrupt marks bytes that are no command, or no checkpoint.
	ErrCorrupt = errors.New("catalog: corrupt")
)

// deterministic makes equal messages equal bytes, within one build.
var deterministic = proto.MarshalOptions{Deterministic: true}

// Encode fills in what was left out and returns the command as an entry's data. What can be refused without looking at the
// catalog is refused here, with an *Error, and costs no entry.
func Encode(command Command) ([]byte, error) {
	command = command.withDefaults()
	if refused := command.check(); refused != nil {
		return nil, refused
	}
	message := &catalogpb.Command{Version: formVersion}
	if requested, ok := command.(Requested); ok {
		command = requested.Command
		if requested.Number != 0 {
			message.Request, message.AtMs = requested.Number, requested.AtMs
		}
	}
	switch c := command.(type) {
	case FoundCluster:
		message.Command = &catalogpb.Command_FoundCluster{FoundCluster: &catalogpb.FoundCluster{
			Name: c.Name, Id: c.ID, ReceiptKey: c.ReceiptKey[:], CreatedMs: c.CreatedMs, Partitions: c.Partitions,
			Members: membersToWire(c.Members),
		}}
	case CreateTopic:
		message.Command = &catalogpb.Command_CreateTopic{CreateTopic: &catalogpb.CreateTopic{
			Name: c.Name, EventBytesMax: c.EventBytesMax, CreatedMs: c.CreatedMs, Partitions: c.Partitions,
			Retention: c.Retention.form(),
		}}
	case CreateSubscription:
		message.Command = &catalogpb.Command_CreateSubscription{CreateSubscription: &catalogpb.CreateSubscription{
			Topic: c.Topic, Name: c.Name, Kind: c.Kind, Pattern: c.Pattern, VisibilityMs: c.VisibilityMs,
			AttemptsMax: c.AttemptsMax, Ordered: c.Ordered, Members: c.Members, From: startForm(c.From), CreatedMs: c.CreatedMs,
		}}
	case DeleteTopic:
		message.Command = &catalogpb.Command_DeleteTopic{DeleteTopic: &catalogpb.DeleteTopic{Name: c.Name}}
	case DeleteSubscription:
		message.Command = &catalogpb.Command_DeleteSubscription{
			DeleteSubscription: &catalogpb.DeleteSubscription{Topic: c.Topic, Name: c.Name},
		}
	case ForgetRemovals:
		message.Command = &catalogpb.Command_ForgetRemovals{ForgetRemovals: &catalogpb.ForgetRemovals{Through: c.Through}}
	case PutNode:
		message.Command = &catalogpb.Command_PutNode{PutNode: &catalogpb.PutNode{
			Name: c.Name, ApiAddress: c.APIAddress, PeerAddress: c.PeerAddress, Version: c.Version,
		}}
	case ReplaceMember:
		message.Command = &catalogpb.Command_ReplaceMember{ReplaceMember: &catalogpb.ReplaceMember{
			Node: c.Node, Directory: c.Directory, Generation: c.Generation,
		}}
	default:
		return nil, fmt.Errorf("catalog: assertion: no form for %T", command)
	}
	data, err := deterministic.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("catalog: encoding %T: %w", command, err)
	}
	return data, nil
}

// decode reads what Encode wrote. It does not check the command's values. Errors are ErrVersion and ErrCorrupt.
func decode(data []byte) (Command, error) {
	message := &catalogpb.Command{}
	if err := proto.Unmarshal(data, message); err != nil {
		return nil, fmt.Errorf("%w: a command: %w", ErrCorrupt, err)
	}
	if err := checkForm("command", message.GetVersion(), message); err != nil {
		return nil, err
	}
	command, err := commandOf(message)
	if err != nil || message.GetRequest() == 0 {
		return command, err
	}
	return Requested{Command: command, Number: message.GetRequest(), AtMs: message.GetAtMs()}, nil
}

// commandOf reads the command itself.
func commandOf(message *catalogpb.Command) (Command, error) {
	switch c := message.GetCommand().(type) {
	case *catalogpb.Command_FoundCluster:
		m := c.FoundCluster
		key, err := receiptKey(m.GetReceiptKey())
		// Before there could be more there was one.
		return FoundCluster{
			Name: m.GetName(), ID: m.GetId(), ReceiptKey: key, Partitions: max(m.GetPartitions(), 1), Members: membersFromWire(m.GetMembers()),
			CreatedMs: m.GetCreatedMs(),
		}, err
	case *catalogpb.Command_CreateTopic:
		m := c.CreateTopic
		return CreateTopic{
			Name: m.GetName(), EventBytesMax: m.GetEventBytesMax(), Partitions: max(m.GetPartitions(), 1),
			Retention: retentionOf(m.GetRetention()), CreatedMs: m.GetCreatedMs(),
		}, nil
	case *catalogpb.Command_CreateSubscription:
		m := c.CreateSubscription
		return CreateSubscription{
			Topic: m.GetTopic(), Name: m.GetName(), Kind: m.GetKind(), Pattern: m.GetPattern(), VisibilityMs: m.GetVisibilityMs(),
			AttemptsMax: m.GetAttemptsMax(), Ordered: m.GetOrdered(), Members: m.GetMembers(),
			From: startOf(m.GetFrom()), CreatedMs: m.GetCreatedMs(),
		}, nil
	case *catalogpb.Command_DeleteTopic:
		return DeleteTopic{Name: c.DeleteTopic.GetName()}, nil
	case *catalogpb.Command_DeleteSubscription:
		return DeleteSubscription{Topic: c.DeleteSubscription.GetTopic(), Name: c.DeleteSubscription.GetName()}, nil
	case *catalogpb.Command_ForgetRemovals:
		return ForgetRemovals{Through: c.ForgetRemovals.GetThrough()}, nil
	case *catalogpb.Command_PutNode:
		m := c.PutNode
		return PutNode{Name: m.GetName(), APIAddress: m.GetApiAddress(), PeerAddress: m.GetPeerAddress(), Version: m.GetVersion()}, nil
	case *catalogpb.Command_ReplaceMember:
		m := c.ReplaceMember
		return ReplaceMember{Node: m.GetNode(), Directory: m.GetDirectory(), Generation: m.GetGeneration()}, nil
	default:
		return nil, fmt.Errorf("%w: a command that says nothing", ErrCorrupt)
	}
}

// startForm is where a subscription begins, as it stands in the log: what was written before there was a choice began at the latest.
func startForm(from freshetv1.SubscriptionStart) uint32 { return uint32(from - latest) }

func startOf(form uint32) freshetv1.SubscriptionStart {
	return freshetv1.SubscriptionStart(min(form, math.MaxInt32/2)) + latest
}

// checkForm refuses what a newer release wrote: by its version, or by fields that this one does not know.
func checkForm(what string, version uint32, message proto.Message) error {
	switch {
	case version > formVersion:
		return fmt.Errorf("%w: a %s of version %d; this build knows %d", ErrVersion, what, version, formVersion)
	case version == 0:
		return fmt.Errorf("%w: a %s without version", ErrCorrupt, what)
	case hasUnknown(message.ProtoReflect()):
		return fmt.Errorf("%w: a %s with fields that this build does not know", ErrVersion, what)
	}
	return nil
}

// hasUnknown says whether the message, or one in it, has fields that its type has not.
func hasUnknown(message protoreflect.Message) bool {
	if len(message.GetUnknown()) > 0 {
		return true
	}
	found := false
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				found = found || hasUnknown(value.List().Get(i).Message())
			}
		default:
			found = hasUnknown(value.Message())
		}
		return !found
	})
	return found
}

// receiptKey copies a key out of a message.
func receiptKey(bytes []byte) (key ReceiptKey, err error) {
	if len(bytes) != len(key) {
		return key, fmt.Errorf("%w: a receipt key of %d bytes, not %d", ErrCorrupt, len(bytes), len(key))
	}
	copy(key[:], bytes)
	return key, nil
}
