// An HTTP/3 client for tests: requests come as JSON lines on standard input, answers go as JSON lines to standard output. All of
// them use one connection. The certificate is not checked.
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/quic-go/quic-go/http3"
)

type command struct {
	// "request", "cancel", or "bench" (a hello load: Requests at a time for Milliseconds).
	Op        string
	ID        int
	Method    string
	URL       string
	Headers   [][2]string
	Body      string
	BodyBytes int64
	Trailers  map[string]string
	// Reads nothing of the body until it is cancelled.
	Stall bool
	// Says each piece of the body when it has been read.
	Tell         bool
	Streams      int
	Milliseconds int
}

type answer struct {
	ID       int                 `json:"id"`
	Status   int                 `json:"status"`
	Proto    string              `json:"proto"`
	Headers  map[string][]string `json:"headers"`
	Trailers map[string][]string `json:"trailers"`
	Interim  []int               `json:"interim"`
	Bytes    int64               `json:"bytes"`
	Sent     int64               `json:"sent"`
	SHA256   string              `json:"sha256"`
	Body     string              `json:"body"`
	// SHA-256 of the server's certificate.
	Certificate string `json:"certificate"`
	Error       string `json:"error"`
}

// A piece of a response's body that has been read.
type piece struct {
	ID    int    `json:"id"`
	Piece string `json:"piece"`
}

func (p piece) Write(data []byte) (int, error) {
	print(piece{ID: p.ID, Piece: string(data)})
	return len(data), nil
}

const bodyShown = 64 * 1024

// Counts what was read of it: bytes that HTTP/3 took. Also a body of any length without memory.
type upload struct {
	text string
	left int64
	sent int64
}

func (u *upload) Read(p []byte) (int, error) {
	n := len(p)
	if u.text != "" {
		n = copy(p, u.text)
		u.text = u.text[n:]
	} else if u.left > 0 {
		if int64(n) > u.left {
			n = int(u.left)
		}
		for i := 0; i < n; i++ {
			p[i] = 'x'
		}
		u.left -= int64(n)
	} else {
		return 0, io.EOF
	}
	u.sent += int64(n)
	return n, nil
}

var (
	client  = &http.Client{}
	mutex   sync.Mutex
	cancels = map[int]context.CancelFunc{}
)

func print(value any) {
	line, _ := json.Marshal(value)
	mutex.Lock()
	defer mutex.Unlock()
	fmt.Println(string(line))
}

func run(ctx context.Context, c command) answer {
	result := answer{ID: c.ID}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
			result.Interim = append(result.Interim, code)
			return nil
		},
	})
	sent := &upload{text: c.Body, left: c.BodyBytes}
	var reader io.Reader
	if c.Body != "" || c.BodyBytes > 0 || len(c.Trailers) > 0 {
		reader = sent
	}
	request, err := http.NewRequestWithContext(ctx, c.Method, c.URL, reader)
	if err != nil {
		result.Error = err.Error()
		return result
	}
	for _, field := range c.Headers {
		if field[0] == "content-length" {
			fmt.Sscan(field[1], &request.ContentLength)
		}
		request.Header[field[0]] = append(request.Header[field[0]], field[1])
	}
	for name, value := range c.Trailers {
		if request.Trailer == nil {
			request.Trailer = http.Header{}
		}
		request.Trailer.Set(name, value)
	}
	response, err := client.Do(request)
	result.Sent = sent.sent
	if err != nil {
		result.Error = err.Error()
		return result
	}
	defer response.Body.Close()
	result.Status = response.StatusCode
	result.Proto = response.Proto
	result.Headers = response.Header
	leaf := sha256.Sum256(response.TLS.PeerCertificates[0].Raw)
	result.Certificate = hex.EncodeToString(leaf[:])
	if c.Stall {
		<-ctx.Done()
	}
	hash := sha256.New()
	shown := &strings.Builder{}
	head := io.TeeReader(io.LimitReader(response.Body, bodyShown), shown)
	body := io.MultiReader(head, response.Body)
	if c.Tell {
		body = io.TeeReader(body, piece{ID: c.ID})
	}
	result.Bytes, err = io.Copy(hash, body)
	if err != nil {
		result.Error = err.Error()
	}
	result.Sent = sent.sent
	result.Body = shown.String()
	result.SHA256 = hex.EncodeToString(hash.Sum(nil))
	result.Trailers = response.Trailer
	return result
}

// Answers a second of one connection.
func bench(c command) float64 {
	var group sync.WaitGroup
	var total int64
	end := time.Now().Add(time.Duration(c.Milliseconds) * time.Millisecond)
	for i := 0; i < c.Streams; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			var done int64
			for time.Now().Before(end) {
				if run(context.Background(), command{Method: "GET", URL: c.URL}).Error != "" {
					break
				}
				done++
			}
			mutex.Lock()
			defer mutex.Unlock()
			total += done
		}()
	}
	group.Wait()
	return float64(total) * 1000 / float64(c.Milliseconds)
}

func main() {
	transport := &http3.Transport{
		TLSClientConfig:    &tls.Config{InsecureSkipVerify: true},
		DisableCompression: true,
	}
	client.Transport = transport
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	var running sync.WaitGroup
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16*1024*1024)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			panic(err)
		}
		switch c.Op {
		case "cancel":
			mutex.Lock()
			cancel := cancels[c.ID]
			mutex.Unlock()
			cancel()
		case "bench":
			print(answer{ID: c.ID, Bytes: int64(bench(c))})
		default:
			ctx, cancel := context.WithCancel(context.Background())
			mutex.Lock()
			cancels[c.ID] = cancel
			mutex.Unlock()
			running.Add(1)
			go func() {
				defer running.Done()
				print(run(ctx, c))
			}()
		}
	}
	running.Wait()
	transport.Close()
}
