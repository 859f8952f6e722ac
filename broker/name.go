package broker

import (
	"unicode/utf8"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// nameBytesMax is the length of a topic's, subscription's or member's name.
const nameBytesMax = catalog.NameBytesMax

// checkMember says what is wrong with a member's name, or nil: it is any text of 1 to 128 bytes.
func checkMember(field, name string) *fault {
	switch {
	case name == "":
		return nameRefusedMember(field, "is empty")
	case len(name) > nameBytesMax:
		return limitExceeded(field, nameBytesMax, int64(len(name)), "bytes")
	case !utf8.ValidString(name):
		return nameRefusedMember(field, "isn't valid UTF-8")
	}
	return nil
}

func nameRefusedMember(field, what string) *fault {
	f := argumentRefused(field, "%s; a member's name has 1 to 128 bytes", what)
	f.code = freshetv1.ErrorCode_ERROR_CODE_NAME_REFUSED
	return f
}
