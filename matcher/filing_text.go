package matcher

// Where texts are filed that are not looked up as a whole. A prefix or suffix goes by one of few lengths, so that a value is looked up
// in few ways; where many share that, by its own length. A wildcard goes by any of its pieces. What ignores case goes by its canonical
// form (canonical.go).

// ladder holds the lengths under which prefixes and suffixes are filed at first: the longest that they reach.
var ladder = [...]int{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, affixBytesMax}

// affixBytesMax is how much of a prefix or suffix counts where it is filed.
const affixBytesMax = 1024

// partSizes are the lengths of pieces of wildcards that byPart goes by, the longest first.
var partSizes = [...]int{6, 3, 2, 1}

// partsMax is how many parts of a wildcard are considered, at most.
const partsMax = 32

// appendAffix lists the ways of filing a prefix or suffix, if it is not empty.
func appendAffix(options []filing, node uint32, way valueKind, text string) []filing {
	if text == "" {
		return options
	}
	h := affixHash{text: text, ends: way == bySuffix || way == bySuffixFold}
	rung := 0
	for rung+1 < len(ladder) && ladder[rung+1] <= len(text) {
		rung++
	}
	n := ladder[rung]
	options = append(options, newFiling(node, way, n, h.next(n)))
	if own := min(len(text), affixBytesMax); own > n {
		options = append(options, newFiling(node, way, own, h.next(own)))
	}
	return options
}

// appendWildcard lists the ways of filing a wildcard: by its longest piece, then by others.
func appendWildcard(options []filing, node uint32, w wildcard) []filing {
	if len(w.pieces) == 1 {
		return append(options, newFiling(node, byText, 0, hashText(w.pieces[0])))
	}
	longest := 0
	for i, piece := range w.pieces {
		if len(piece) > len(w.pieces[longest]) {
			longest = i
		}
	}
	options = appendPiece(options, node, w, longest)
	for i := range w.pieces {
		if i != longest && len(options) < partsMax {
			options = appendPiece(options, node, w, i)
		}
	}
	return options
}

func appendPiece(options []filing, node uint32, w wildcard, i int) []filing {
	piece := w.pieces[i]
	switch i {
	case 0:
		return appendAffix(options, node, byPrefix, piece)
	case len(w.pieces) - 1:
		return appendAffix(options, node, bySuffix, piece)
	}
	for _, size := range partSizes {
		if size > len(piece) {
			continue
		}
		for at := 0; at+size <= len(piece) && len(options) < partsMax; at++ {
			options = append(options, newFiling(node, byPart, size, hashText(piece[at:at+size])))
		}
		break
	}
	return options
}

// affixHash hashes longer and longer beginnings of a text, or ends of it, each byte once.
type affixHash struct {
	text  string
	ends  bool
	state uint64
	done  int // bytes that are in the state, a multiple of 8
}

// next returns the hash of the first, or last, n bytes; n is not below the one before.
func (h *affixHash) next(n int) uint64 {
	for ; h.done+8 <= n; h.done += 8 {
		if h.ends {
			h.state = multiply(h.state^load8(h.text[len(h.text)-h.done-8:])^hashKeyA, hashKeyB)
		} else {
			h.state = multiply(h.state^load8(h.text[h.done:])^hashKeyA, hashKeyB)
		}
	}
	rest := h.text[h.done:n]
	if h.ends {
		rest = h.text[len(h.text)-n : len(h.text)-h.done]
	}
	return multiply(h.state^hashText(rest), hashKeyB^uint64(n))
}
