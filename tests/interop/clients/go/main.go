// Go's clients: `protocol-client h2|h3 URL UPLOAD PIECES`, JSON out. h2: net/http (by ALPN on https, by prior knowledge
// on http) and a WebSocket library over HTTP/1.1 with compression; h3: quic-go.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/quic-go/quic-go/http3"
)

const timeout = 20 * time.Second

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func body(answer *http.Response, err error) []byte {
	defer must(answer, err).Body.Close()
	return must(io.ReadAll(answer.Body))
}

func client(protocols func(*http.Protocols)) *http.Client {
	allowed := new(http.Protocols)
	protocols(allowed)
	return &http.Client{Timeout: timeout, Transport: &http.Transport{
		Protocols:       allowed,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
}

func echo(url string) map[string]any {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	socket, _, err := websocket.Dial(ctx, strings.Replace(url, "http", "ws", 1), &websocket.DialOptions{
		HTTPClient:      client(func(p *http.Protocols) { p.SetHTTP1(true) }),
		Subprotocols:    []string{"first", "second"},
		CompressionMode: websocket.CompressionContextTakeover,
	})
	must(socket, err).SetReadLimit(-1)
	exchange := func(kind websocket.MessageType, data []byte) []byte {
		must(0, socket.Write(ctx, kind, data))
		got, answer, err := socket.Read(ctx)
		must(got, err)
		if got != kind {
			must(0, fmt.Errorf("sent a message of type %v, got %v", kind, got))
		}
		return answer
	}
	text := exchange(websocket.MessageText, []byte("hello"))
	binary := bytes.Repeat([]byte{0, 1, 2, 254, 255}, 50_000)
	same := bytes.Equal(exchange(websocket.MessageBinary, binary), binary)
	must(0, socket.Ping(socket.CloseRead(ctx)))
	closed := socket.Close(websocket.StatusNormalClosure, "")
	code := 1000
	if closed != nil {
		code = int(websocket.CloseStatus(closed))
	}
	return map[string]any{"text": string(text), "binary": same, "protocol": socket.Subprotocol(), "code": code}
}

func overHTTP3() *http.Client {
	return &http.Client{Timeout: timeout, Transport: &http3.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
}

func main() {
	version, url, upload, pieces := os.Args[1], os.Args[2], must(os.ReadFile(os.Args[3])), os.Args[4]
	asked := client(func(p *http.Protocols) {
		p.SetHTTP2(true)
		p.SetUnencryptedHTTP2(true)
	})
	if version == "h3" {
		asked = overHTTP3()
	}
	first := must(asked.Get(url))
	got := body(first, nil)
	sent := body(asked.Post(url+"/upload", "application/octet-stream", bytes.NewReader(upload)))
	streamed := sha256.Sum256(body(asked.Get(url + "/download?pieces=" + pieces)))
	seen := map[string]any{
		"version":  first.Proto,
		"get":      json.RawMessage(got),
		"upload":   json.RawMessage(sent),
		"download": hex.EncodeToString(streamed[:]),
	}
	if version == "h2" {
		seen["webSocketOverHttp1"] = echo(url)
	}
	must(0, json.NewEncoder(os.Stdout).Encode(seen))
}
