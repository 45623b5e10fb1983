package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// What an open loop has seen. Latencies count from when a request was due, in milliseconds.
type openReport struct {
	// Requests due after the warm-up.
	Sent     int `json:"sent"`
	Answered int `json:"answered"`
	// Those with another status than 200, another body or no answer; by kind in Kinds ("502", "no answer").
	Failed int            `json:"failed"`
	Kinds  map[string]int `json:"kinds"`
	P50    float64        `json:"p50Ms"`
	P99    float64        `json:"p99Ms"`
	Max    float64        `json:"maxMs"`
	// Numbers of the requests that were not answered with 200, those of the warm-up included.
	FailedIDs []int `json:"failedIds"`
	// Of the connections that were to be kept: how often a new one was needed.
	Dials int `json:"dials"`
	// The first failure in words.
	Problem string `json:"problem,omitempty"`
}

const openTimeout = 15 * time.Second

type outcome struct {
	id      int
	measure bool
	took    float64
	kind    string
	problem string
}

// Sends at a fixed rate, whatever the answers do. Idempotent requests are sent again as browsers do it (RFC 9113, 8.7 and RFC 9110,
// 9.2.2): only where the server cannot have begun them, or, a GET, where a kept connection ended before a byte of the answer.
func openLoop(o options) any {
	var dials atomic.Int64
	kept := make([]*http.Client, max(1, o.connections))
	for i := range kept {
		kept[i] = openClient(o, &dials, false)
	}
	fresh := openClient(o, new(atomic.Int64), true)
	start := time.Now()
	from := start.Add(time.Duration(o.warmup * float64(time.Second)))
	to := from.Add(time.Duration(o.seconds * float64(time.Second)))
	gap := time.Duration(float64(time.Second) / o.rate)
	outcomes := make(chan outcome, 4096)
	var all sync.WaitGroup
	done := make(chan openReport)
	go func() { done <- gather(outcomes) }()
	for id, due := 1, start; due.Before(to); id, due = id+1, due.Add(gap) {
		time.Sleep(time.Until(due))
		client := kept[id%len(kept)]
		// Evenly among the others: every request whose share of fresh ones makes a whole.
		if int(float64(id)*o.fresh) != int(float64(id-1)*o.fresh) {
			client = fresh
		}
		all.Go(func() { outcomes <- ask(o, client, id, due, !due.Before(from)) })
	}
	all.Wait() // each ends within its timeout
	close(outcomes)
	report := <-done
	report.Dials = int(dials.Load())
	return report
}

// One connection that is used again and again (HTTP/2: for many requests at once), or a new one for each request.
func openClient(o options, dials *atomic.Int64, fresh bool) *http.Client {
	protocols := new(http.Protocols)
	if o.h2 {
		protocols.SetHTTP2(true)
	} else {
		protocols.SetHTTP1(true)
	}
	transport := &http.Transport{
		TLSClientConfig:     tlsConfig("h2"),
		DialContext:         countingDialer(dials),
		Protocols:           protocols,
		DisableKeepAlives:   fresh,
		DisableCompression:  true,
		MaxIdleConnsPerHost: 1,
		IdleConnTimeout:     time.Minute,
	}
	if !o.h2 {
		transport.TLSClientConfig = tlsConfig("http/1.1")
		transport.MaxConnsPerHost = 1
		if fresh {
			transport.MaxConnsPerHost = 0
		}
	}
	return &http.Client{Transport: transport, Timeout: openTimeout}
}

func countingDialer(dials *atomic.Int64) func(context.Context, string, string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: dialTimeout}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		dials.Add(1)
		return dialer.DialContext(ctx, network, address)
	}
}

func ask(o options, client *http.Client, id int, due time.Time, measure bool) outcome {
	result := outcome{id: id, measure: measure, kind: "no answer"}
	var body io.Reader
	if o.method != http.MethodGet {
		body = bytes.NewReader([]byte(strconv.Itoa(id)))
	}
	request, err := http.NewRequest(o.method, o.url+"?id="+strconv.Itoa(id), body)
	if err != nil {
		result.problem = err.Error()
		return result
	}
	answer, err := client.Do(request)
	if err != nil {
		result.problem = err.Error()
		return result
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	result.took = float64(time.Since(due)) / 1e6
	switch {
	case err != nil:
		result.problem = err.Error()
	case answer.StatusCode != http.StatusOK:
		result.kind = strconv.Itoa(answer.StatusCode)
		result.problem = "answered with " + answer.Status
	case o.body != "" && string(got) != o.body:
		result.kind = "wrong body"
		result.problem = fmt.Sprintf("a body of %d bytes", len(got))
	default:
		result.kind = ""
	}
	return result
}

func gather(outcomes <-chan outcome) openReport {
	r := openReport{Kinds: map[string]int{}, FailedIDs: []int{}}
	var latencies []float64
	for o := range outcomes {
		if o.kind != "" {
			r.FailedIDs = append(r.FailedIDs, o.id)
		}
		if !o.measure {
			continue
		}
		r.Sent++
		if o.kind != "" {
			r.Failed++
			r.Kinds[o.kind]++
			if r.Problem == "" {
				r.Problem = o.problem
			}
			continue
		}
		latencies = append(latencies, o.took)
	}
	slices.Sort(latencies)
	r.Answered = len(latencies)
	r.P50, r.P99, r.Max = quantile(latencies, 0.5), quantile(latencies, 0.99), quantile(latencies, 1)
	return r
}
