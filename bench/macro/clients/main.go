// Load for the protocols that wrk and h2load don't speak. Each command runs a closed loop over a fixed number of
// connections, checks every answer, and prints one JSON object:
//
//	load tls   new connection for each request, handshakes full or resumed
//	load h3    requests over HTTP/3
//	load ws    WebSocket echo
//	load hold  opens WebSockets and holds them until standard input ends
//
// All take -url, -connections, -seconds and -warmup. Latencies count from the write of a request to the last byte of its
// answer, those of the warm-up not.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

type options struct {
	url         string
	connections int
	streams     int
	seconds     float64
	warmup      float64
	bytes       int
	body        string
	resume      bool
	deflate     bool
	rate        float64
	fresh       float64
	method      string
	h2          bool
}

// The report of one run. Times are in milliseconds.
type report struct {
	Done int `json:"done"`
	// Done with those of the warm-up.
	Total  int     `json:"total"`
	Errors int     `json:"errors"`
	Rate   float64 `json:"rate"`
	P50    float64 `json:"p50Ms"`
	P99    float64 `json:"p99Ms"`
	Max    float64 `json:"maxMs"`
	// Of `tls`: handshakes that resumed a session.
	Resumed int `json:"resumed"`
	// The first error, in words.
	Problem string `json:"problem,omitempty"`
}

// One goroutine's part of the measurement.
type lane struct {
	latencies []float64
	total     int
	errors    int
	resumed   int
	problem   error
	from, to  time.Time
}

// Whether the lane should go on.
func (l *lane) open() bool { return time.Now().Before(l.to) }

func (l *lane) done(start time.Time) {
	l.total++
	end := time.Now()
	if start.Before(l.from) || end.After(l.to) {
		return
	}
	l.latencies = append(l.latencies, float64(end.Sub(start))/1e6)
}

func (l *lane) fail(problem error) {
	l.errors++
	if l.problem == nil {
		l.problem = problem
	}
}

// Runs `work` on n lanes at once, for the warm-up and the measurement, and sums up.
func measure(o options, n int, work func(l *lane, index int)) report {
	from := time.Now().Add(time.Duration(o.warmup * float64(time.Second)))
	to := from.Add(time.Duration(o.seconds * float64(time.Second)))
	lanes := make([]lane, n)
	var all sync.WaitGroup
	for i := range lanes {
		lanes[i].from, lanes[i].to = from, to
		all.Go(func() { work(&lanes[i], i) })
	}
	all.Wait()
	return sum(lanes, o.seconds)
}

func sum(lanes []lane, seconds float64) report {
	var r report
	var latencies []float64
	for i := range lanes {
		l := &lanes[i]
		latencies = append(latencies, l.latencies...)
		r.Total += l.total
		r.Errors += l.errors
		r.Resumed += l.resumed
		if r.Problem == "" && l.problem != nil {
			r.Problem = l.problem.Error()
		}
	}
	slices.Sort(latencies)
	r.Done, r.Rate = len(latencies), float64(len(latencies))/seconds
	r.P50, r.P99, r.Max = quantile(latencies, 0.5), quantile(latencies, 0.99), quantile(latencies, 1)
	return r
}

// Of ascending values; 0 when there are none.
func quantile(sorted []float64, fraction float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(float64(len(sorted))*fraction))]
}

func main() {
	commands := map[string]func(options) any{"tls": loadTLS, "h3": loadH3, "ws": loadWS, "hold": hold, "open": openLoop}
	var o options
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	flags.StringVar(&o.url, "url", "", "the server")
	flags.IntVar(&o.connections, "connections", 8, "connections at once")
	flags.IntVar(&o.streams, "streams", 1, "h3: requests at once on each connection")
	flags.Float64Var(&o.seconds, "seconds", 5, "length of the measurement")
	flags.Float64Var(&o.warmup, "warmup", 1, "seconds before it")
	flags.IntVar(&o.bytes, "bytes", 64, "ws: length of a message")
	flags.StringVar(&o.body, "body", "Hello, World!", "tls, h3, open: what each answer's body must be")
	flags.BoolVar(&o.resume, "resume", false, "tls: resume the session of the connection before")
	flags.BoolVar(&o.deflate, "deflate", false, "ws: permessage-deflate, which the server must accept")
	flags.Float64Var(&o.rate, "rate", 1000, "open: requests a second")
	flags.Float64Var(&o.fresh, "fresh", 0, "open: share of the requests that are each on a new connection")
	flags.StringVar(&o.method, "method", "GET", "open: GET or POST")
	flags.BoolVar(&o.h2, "h2", false, "open: HTTP/2 (else HTTP/1.1)")
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: load tls|h3|ws|hold|open -url URL ...")
		os.Exit(2)
	}
	_ = flags.Parse(os.Args[2:]) // ExitOnError
	if result := commands[os.Args[1]](o); result != nil {
		_ = json.NewEncoder(os.Stdout).Encode(result)
	}
}
