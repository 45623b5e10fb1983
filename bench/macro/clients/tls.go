package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

const dialTimeout = 10 * time.Second

// The same work for every server: TLS 1.3, X25519 (no server is asked for a post-quantum exchange that another lacks).
func tlsConfig(alpn ...string) *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true, // the certificate is the benchmark's own
		ServerName:         "localhost",
		MinVersion:         tls.VersionTLS13,
		CurvePreferences:   []tls.CurveID{tls.X25519},
		NextProtos:         alpn,
	}
}

// One connection, one request, then close. With -resume the ticket of a connection serves the next of its lane.
func loadTLS(o options) any {
	target, err := url.Parse(o.url)
	if err != nil {
		return report{Errors: 1, Problem: err.Error()}
	}
	request := []byte("GET / HTTP/1.1\r\nHost: " + target.Host + "\r\nConnection: close\r\n\r\n")
	return measure(o, o.connections, func(l *lane, _ int) {
		config := tlsConfig("http/1.1")
		if o.resume {
			config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
		}
		for first := true; l.open(); first = false {
			start := time.Now()
			resumed, err := oneHandshake(target.Host, config, request, o.body)
			if err == nil && o.resume && !first && !resumed {
				err = errors.New("a handshake was not resumed")
			}
			if err != nil {
				l.fail(err)
				continue
			}
			if resumed {
				l.resumed++
			}
			l.done(start)
		}
	})
}

func oneHandshake(address string, config *tls.Config, request []byte, body string) (bool, error) {
	plain, err := net.DialTimeout("tcp", address, dialTimeout)
	if err != nil {
		return false, err
	}
	connection := tls.Client(plain, config)
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(dialTimeout))
	if err := connection.Handshake(); err != nil {
		return false, err
	}
	if _, err := connection.Write(request); err != nil {
		return false, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return false, err
	}
	return connection.ConnectionState().DidResume, check(answer, body)
}

func check(answer *http.Response, want string) error {
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK || string(body) != want {
		return fmt.Errorf("answer %d with %d bytes", answer.StatusCode, len(body))
	}
	return nil
}
