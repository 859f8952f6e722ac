package main

// printConfig writes each setting and where it is from.
func printConfig(out *output, all []*setting) error {
	if out.structured() {
		out.object(configAnswer(all))
		return nil
	}
	written := table{columns: []column{{name: "KEY"}, {name: "VALUE"}, {name: "FROM"}}}
	for _, s := range all {
		value := s.text()
		if value == "" {
			value = "-"
		}
		written.row(s.key, value, s.origin)
	}
	out.table(written)
	return nil
}

// settingAnswer is a setting for programs.
type settingAnswer struct {
	Value string `json:"value"`
	From  string `json:"from"`
}

func configAnswer(all []*setting) map[string]map[string]settingAnswer {
	values := map[string]settingAnswer{}
	for _, s := range all {
		values[s.key] = settingAnswer{Value: s.text(), From: s.origin}
	}
	return map[string]map[string]settingAnswer{"config": values}
}
