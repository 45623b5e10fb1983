package main

import (
	"net/http"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// Each connection has a transport of its own, so that it is one QUIC connection with -streams requests under way.
func loadH3(o options) any {
	transports := make([]*http3.Transport, o.connections)
	for i := range transports {
		transports[i] = &http3.Transport{
			TLSClientConfig: tlsConfig(http3.NextProtoH3),
			QUICConfig:      &quic.Config{HandshakeIdleTimeout: dialTimeout},
		}
		defer transports[i].Close()
	}
	return measure(o, o.connections*o.streams, func(l *lane, index int) {
		transport := transports[index%o.connections]
		request, err := http.NewRequest(http.MethodGet, o.url, nil)
		if err != nil {
			l.fail(err)
			return
		}
		for l.open() {
			start := time.Now()
			answer, err := transport.RoundTrip(request)
			if err == nil {
				err = check(answer, o.body)
			}
			if err != nil {
				l.fail(err)
				time.Sleep(10 * time.Millisecond) // a server that is gone is not asked in a busy loop
				continue
			}
			l.done(start)
		}
	})
}
