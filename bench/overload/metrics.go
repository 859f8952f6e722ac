package overload

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// figures are a node's metrics: each series under its name with labels, as the node writes them.
type figures map[string]float64

// scrape reads a node's metrics.
func scrape(ctx context.Context, admin string) (_ figures, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/metrics", http.NoBody)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // it has been read
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("metrics of %s: %s", admin, res.Status)
	}
	f := figures{}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		if f[name], err = strconv.ParseFloat(value, 64); err != nil {
			return nil, fmt.Errorf("metrics of %s: %w", admin, err)
		}
	}
	return f, lines.Err()
}

// sum adds up all series of a metric.
func (f figures) sum(metric string) (total float64) {
	for name, value := range f {
		if name == metric || strings.HasPrefix(name, metric+"{") {
			total += value
		}
	}
	return total
}

// add adds another node's.
func (f figures) add(other figures) {
	for name, value := range other {
		f[name] += value
	}
}

// counted tells of the counters of refusals and of connections cut off what they have risen by: "FR3004 12, cut unfinished 2".
func (f figures) counted(before figures) string {
	var told []string
	for _, c := range []struct{ metric, label, says string }{
		{"freshet_refusals_total", "code", ""}, {"freshet_connections_cut_total", "reason", "cut "}, {"freshet_connections_refused_total", "", "connections refused"},
		{"freshet_connections_paced_total", "", "connections paced"},
	} {
		for _, name := range sortedNames(f) {
			rest, ok := strings.CutPrefix(name, c.metric)
			if n := f[name] - before[name]; ok && n > 0 {
				told = append(told, fmt.Sprintf("%s%s %.0f", c.says, strings.TrimSuffix(strings.TrimPrefix(rest, "{"+c.label+`="`), `"}`), n))
			}
		}
	}
	return strings.Join(told, ", ")
}
