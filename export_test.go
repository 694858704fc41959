package holdfast

// Against measures an operation in turns with a bare verification; see bench_test.go.
var Against = against
