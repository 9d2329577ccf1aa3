// Package whoami is an application behind privyseal that shows what it was told:
// whether the assertion is good, what it says, the key that signed it and where
// that key stands in the key set, and the request as it arrived. It answers with
// a page, or with JSON under /json and to whoever prefers that.
//
// [App] verifies with privyseal/authz/verify like any application would. What an
// application would not do is to show the assertion, which is good for a few
// minutes: this one is for demonstrations and tests.
package whoami
