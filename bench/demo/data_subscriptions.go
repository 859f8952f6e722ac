package demo

import (
	"bytes"
)

// webhookSubscriptions are for GitHub's webhooks as events: source com.github,
// detail-type "<event>.<action>", detail the payload.
// https://docs.github.com/en/webhooks/webhook-events-and-payloads
var webhookSubscriptions = []Subscription{
	{Name: "new-things", Ordered: true, Pattern: `{"detail":{"action":["opened","created","published"]}}`},                                              // exact
	{Name: "private", Pattern: `{"detail":{"repository":{"private":[true]}}}`},                                                                          // exact, not a string
	{Name: "issues", Members: []string{"bot", "mail"}, Pattern: `{"detail-type":[{"prefix":"issue"}]}`},                                                 // prefix
	{Name: "deletions", Pattern: `{"detail-type":[{"suffix":".deleted"}]}`},                                                                             // suffix
	{Name: "newcomers", Pattern: `{"detail":{"sender":{"id":[{"numeric":[">",21031067]}]}}}`},                                                           // numeric
	{Name: "popular", Pattern: `{"detail":{"repository":{"stargazers_count":[{"numeric":[">",0,"<=",100000]}]}}}`},                                      // numeric range
	{Name: "releases", Members: []string{"cdn", "docs"}, Pattern: `{"$or":[{"detail-type":[{"prefix":"release."}]},{"detail":{"ref_type":["tag"]}}]}`},  // $or over different fields
	{Name: "actionless", Pattern: `{"source":["com.github"],"detail":{"action":[{"exists":false}]}}`},                                                   // exists: false
	{Name: "strangers", Ordered: true, Pattern: `{"detail":{"sender":{"login":[{"anything-but":["Codertocat","github"]}]}}}`},                           // anything-but
	{Name: "reviews", Members: []string{"app", "chat"}, Pattern: `{"detail-type":[{"wildcard":"pull_request*.*ed"}]}`},                                  // wildcard
	{Name: "milestones", Pattern: `{"detail":{"$or":[{"milestone":{"title":[{"exists":true}]}},{"issue":{"milestone":{"title":[{"exists":true}]}}}]}}`}, // exists, $or inside
	{Name: "archive"}, // every event
}

// subscriptionsFor chooses a dozen that suit a file.
func subscriptionsFor(lines []dataLine) []Subscription {
	webhooks := 0
	for _, line := range lines {
		if bytes.Contains(line.event, []byte(`"com.github"`)) {
			webhooks++
		}
	}
	if 2*webhooks > len(lines) {
		return webhookSubscriptions
	}
	return surveySubscriptions(surveyOf(lines))
}
