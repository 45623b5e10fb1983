package main

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
	// Different messages a connection sends in turn.
	variety = 16
)

// Something like a chat or a price feed: JSON whose values differ. `length` bytes, printable.
func message(random *rand.Rand, length int) []byte {
	var out bytes.Buffer
	for out.Len() < length {
		fmt.Fprintf(&out, `{"id":%d,"user":"user-%d","price":%.2f,"text":"the quick brown fox"},`,
			random.IntN(1e9), random.IntN(1000), random.Float64()*1000)
	}
	return out.Bytes()[:length]
}

// A client's frame, masked. With deflate each message is compressed on its own, which a client may always do.
func frame(payload []byte, deflate bool, random *rand.Rand) []byte {
	head := byte(0x80 | opText)
	if deflate {
		var out bytes.Buffer
		compressor, _ := flate.NewWriter(&out, flate.DefaultCompression) // the level is valid
		_, _ = compressor.Write(payload)                                 // a Buffer takes all
		_ = compressor.Flush()
		payload = bytes.TrimSuffix(out.Bytes(), []byte{0, 0, 0xff, 0xff})
		head |= 0x40
	}
	built := []byte{head}
	switch length := len(payload); {
	case length < 126:
		built = append(built, 0x80|byte(length))
	case length < 65536:
		built = binary.BigEndian.AppendUint16(append(built, 0x80|126), uint16(length))
	default:
		built = binary.BigEndian.AppendUint64(append(built, 0x80|127), uint64(length))
	}
	mask := [4]byte{}
	binary.BigEndian.PutUint32(mask[:], random.Uint32())
	built = append(built, mask[:]...)
	for i, b := range payload {
		built = append(built, b^mask[i%4])
	}
	return built
}

// Echo, closed loop. The frames are built before the clock runs, so that the client is not what is measured.
func loadWS(o options) any {
	random := rand.New(rand.NewPCG(1, 2))
	payloads, frames := make([][]byte, variety), make([][]byte, variety)
	for i := range payloads {
		payloads[i] = message(random, o.bytes)
		frames[i] = frame(payloads[i], o.deflate, random)
	}
	sockets, problem := connectAll(o)
	if problem != nil {
		return report{Errors: o.connections - len(sockets), Problem: problem.Error()}
	}
	result := measure(o, len(sockets), func(l *lane, index int) {
		socket := sockets[index]
		buffer := make([]byte, 0, o.bytes)
		for turn := index; l.open(); turn++ {
			start := time.Now()
			if _, err := socket.connection.Write(frames[turn%variety]); err != nil {
				l.fail(err)
				return
			}
			got, err := socket.read(buffer, o.bytes)
			if err == nil && !bytes.Equal(got, payloads[turn%variety]) {
				err = errors.New("an echo differs from what was sent")
			}
			if err != nil {
				l.fail(err)
				return
			}
			l.done(start)
		}
	})
	for _, socket := range sockets {
		socket.connection.Close()
	}
	return result
}

const dialsAtOnce = 50

// All connections or, with the reason, those that could be opened.
func connectAll(o options) ([]*socket, error) {
	var lock sync.Mutex
	var sockets []*socket
	var problem error
	var left atomic.Int64
	left.Store(int64(o.connections))
	var all sync.WaitGroup
	for range min(dialsAtOnce, o.connections) {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				socket, err := dial(o.url, o.deflate)
				lock.Lock()
				if err != nil {
					problem = err
				} else {
					sockets = append(sockets, socket)
				}
				lock.Unlock()
			}
		})
	}
	all.Wait()
	return sockets, problem
}

// Opens the connections, exchanges one message on each, says so, and answers pings until standard input ends.
func hold(o options) any {
	random := rand.New(rand.NewPCG(1, 2))
	payload := message(random, o.bytes)
	sent := frame(payload, false, random)
	sockets, problem := connectAll(o)
	held := 0
	for _, socket := range sockets {
		_, err := socket.connection.Write(sent)
		if err == nil {
			_, err = socket.read(nil, o.bytes)
		}
		if err != nil {
			problem = err
			continue
		}
		held++
		go func() { _, _ = socket.read(nil, o.bytes) }() // answers pings; ends with the connection
	}
	said := map[string]any{"open": held, "errors": o.connections - held}
	if problem != nil {
		said["problem"] = problem.Error()
	}
	_ = json.NewEncoder(os.Stdout).Encode(said)
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}
