package main

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
)

// findings is everything that came of it.
type findings struct {
	Machine        string    `json:"machine"`
	Took           string    `json:"took"`
	Rounds         int       `json:"rounds"`
	Configurations string    `json:"configurations"`
	Rows           []row     `json:"rows"`
	Results        []*result `json:"runs"`
	systems        []string
}

// row is one figure of a work.
type row struct {
	Work    string `json:"work"`
	Title   string `json:"title"`
	Measure string `json:"measure"`
	Less    bool   `json:"less_is_better,omitempty"`
	// Medians are by system, of the runs without a fault.
	Medians map[string]float64 `json:"medians"`
	Runs    map[string]int     `json:"runs_without_fault"`
	// Ratios say how many times better the first system is than another: the median of the rounds' ratios, since runs of one round are
	// neighbours in time, and what else the machine did then met both.
	Ratios map[string]float64 `json:"ratios"`
}

// compare makes the rows.
func (f *findings) compare(chosen []work, all []system) {
	for _, s := range all {
		f.systems = append(f.systems, s.name())
	}
	for _, w := range chosen {
		for _, m := range w.measures {
			one := row{
				Work: w.name, Title: w.title, Measure: m.name, Less: m.less,
				Medians: map[string]float64{}, Runs: map[string]int{}, Ratios: map[string]float64{},
			}
			for _, name := range f.systems {
				if figures := f.figures(w.name, name, m); len(figures) > 0 {
					one.Medians[name], one.Runs[name] = median(slices.Collect(maps.Values(figures))), len(figures)
				}
			}
			for _, name := range f.systems[1:] {
				if ratios := f.ratios(w.name, name, m); len(ratios) > 0 {
					one.Ratios[name] = median(ratios)
				}
			}
			f.Rows = append(f.Rows, one)
		}
	}
}

// figures of all runs of a work without a fault, by round.
func (f *findings) figures(work, system string, m measure) map[int]float64 {
	figures := map[int]float64{}
	for _, r := range f.Results {
		if r.Work == work && r.System == system && len(r.Faults) == 0 {
			figures[r.Round] = m.of(r)
		}
	}
	return figures
}

// ratios of the first system to another, of the rounds that both have a figure of.
func (f *findings) ratios(work, system string, m measure) (ratios []float64) {
	first := f.figures(work, f.systems[0], m)
	for round, other := range f.figures(work, system, m) {
		own := first[round]
		switch {
		case own <= 0 || other <= 0:
		case m.less:
			ratios = append(ratios, other/own)
		default:
			ratios = append(ratios, own/other)
		}
	}
	return ratios
}

// median of some figures; of an even number of them, between the two in the middle.
func median(figures []float64) float64 {
	sorted := slices.Sorted(slices.Values(figures))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

// table is the rows in Markdown, with what they are worth.
func (f *findings) table() string {
	out := &strings.Builder{}
	head, rule := []string{"work", "figure"}, []string{"---", "---"}
	for _, name := range f.systems {
		head, rule = append(head, name), append(rule, "---:")
	}
	for _, name := range f.systems[1:] {
		head, rule = append(head, fmt.Sprintf("%s against %s", f.systems[0], name)), append(rule, "---:")
	}
	line := func(cells []string) { fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | ")) }
	fmt.Fprintf(out, "\nMedians of %d rounds, systems in turns, on %s; it took %s. A ratio is the median of the rounds' own.\n\n", f.Rounds, f.Machine, f.Took)
	least, most := f.loadAverages()
	fmt.Fprintf(out, "The machine's load average before a run was %.1f to %.1f: where that is beyond the %d processors, others were at work on it, and ratios\n"+
		"and processor seconds say more than rates.\n\n", least, most, runtime.NumCPU())
	line(head)
	line(rule)
	last := ""
	for _, r := range f.Rows {
		cells := []string{r.Title, r.Measure}
		if r.Title == last {
			cells[0] = ""
		}
		last = r.Title
		for _, name := range f.systems {
			cells = append(cells, f.cell(r, name))
		}
		for _, name := range f.systems[1:] {
			cell := ""
			if ratio, ok := r.Ratios[name]; ok {
				cell = fmt.Sprintf("%.1fx better", ratio)
				if ratio < 1 {
					cell = fmt.Sprintf("%.1fx worse", 1/ratio)
				}
			}
			cells = append(cells, cell)
		}
		line(cells)
	}
	faults := 0
	for _, r := range f.Results {
		if len(r.Faults) > 0 {
			if faults++; faults == 1 {
				fmt.Fprint(out, "\nRuns without a figure:\n\n")
			}
			fmt.Fprintf(out, "- %s, round %d, %s: %s\n", r.Work, r.Round, r.System, strings.Join(r.Faults, "; "))
		}
	}
	fmt.Fprintf(out, "\n%s", f.Configurations)
	return out.String()
}

func (f *findings) loadAverages() (least, most float64) {
	for i, r := range f.Results {
		if i == 0 {
			least = r.LoadAverage
		}
		least, most = min(least, r.LoadAverage), max(most, r.LoadAverage)
	}
	return least, most
}

// cell is a median, with how many runs it is of where some failed.
func (f *findings) cell(r row, system string) string {
	value, ok := r.Medians[system]
	if !ok {
		return "-"
	}
	cell := figure(value)
	if n := r.Runs[system]; n < f.Rounds {
		cell += fmt.Sprintf(" (of %d)", n)
	}
	return cell
}

// figure is a number with as many digits as say something.
func figure(value float64) string {
	switch {
	case value == 0:
		return "0"
	case value < 100:
		return fmt.Sprintf("%.2f", value)
	}
	digits := fmt.Sprintf("%.0f", value)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
