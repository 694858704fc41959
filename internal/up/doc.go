// Package up is the guided tour of holdfast: on loopback it starts an
// authorization server and an API that takes bound tokens only, logs somebody
// in, calls, refreshes, and then breaks things and has package explain say what
// happened.
//
// [Run] does all of it and returns when the tour is over, or when its context is
// done. [Options] say where it keeps its files and where it tells its story.
// Every request is really sent and every line of the story comes from an answer;
// an explanation that is not the right one is an error.
//
// It is for looking at, not for service: the servers listen on 127.0.0.1 without
// TLS, and their people, keys and records are made anew by every Run. Whoever
// may use this machine can reach them.
package up
