package main

import (
	"bufio"
	"compress/flate"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A WebSocket client that does no more than a benchmark needs: it reads whole messages, inflates them, answers pings.
type socket struct {
	connection net.Conn
	in         *bufio.Reader
	compressed compressedInput
	inflate    io.Reader
}

// What the inflater reads: the message's bytes and the tail that the sender left out (RFC 7692, 7.2.2).
type compressedInput struct{ left []byte }

func (c *compressedInput) Read(to []byte) (int, error) {
	if len(c.left) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(to, c.left)
	c.left = c.left[n:]
	return n, nil
}

func (c *compressedInput) ReadByte() (byte, error) {
	if len(c.left) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	b := c.left[0]
	c.left = c.left[1:]
	return b, nil
}

const inputBytes = 4096

func dial(address string, deflate bool) (*socket, error) {
	target, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	connection, err := net.DialTimeout("tcp", target.Host, dialTimeout)
	if err != nil {
		return nil, err
	}
	if target.Scheme == "wss" {
		connection = tls.Client(connection, tlsConfig("http/1.1"))
	}
	s := &socket{connection: connection, in: bufio.NewReaderSize(connection, inputBytes)}
	if err := s.handshake(target, deflate); err != nil {
		connection.Close()
		return nil, err
	}
	return s, nil
}

// What Chromium offers: context takeover on both sides. A server that does not compress when asked to is an error.
const deflateOffer = "permessage-deflate; client_max_window_bits"

func (s *socket) handshake(target *url.URL, deflate bool) error {
	_ = s.connection.SetDeadline(time.Now().Add(dialTimeout))
	lines := []string{
		"GET " + target.RequestURI() + " HTTP/1.1", "Host: " + target.Host, "Upgrade: websocket",
		"Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	}
	if deflate {
		lines = append(lines, "Sec-WebSocket-Extensions: "+deflateOffer)
	}
	if _, err := io.WriteString(s.connection, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		return err
	}
	answer, err := http.ReadResponse(s.in, nil)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusSwitchingProtocols ||
		answer.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		return fmt.Errorf("handshake answered with %s", answer.Status)
	}
	agreed := strings.HasPrefix(answer.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate")
	if agreed != deflate {
		return fmt.Errorf("permessage-deflate agreed: %t, wanted: %t", agreed, deflate)
	}
	if deflate {
		s.inflate = flate.NewReader(&s.compressed)
	}
	return s.connection.SetDeadline(time.Time{})
}

// Reads one message of at most `length` bytes into buffer.
func (s *socket) read(buffer []byte, length int) ([]byte, error) {
	payload, deflated := buffer[:0], false
	for {
		var head [2]byte
		if _, err := io.ReadFull(s.in, head[:]); err != nil {
			return nil, err
		}
		size, err := s.size(head[1])
		if err != nil {
			return nil, err
		}
		opcode := head[0] & 15
		if opcode >= opClose {
			if err := s.control(opcode, size); err != nil {
				return nil, err
			}
			continue
		}
		if opcode != 0 {
			deflated = head[0]&0x40 != 0
		}
		start := len(payload)
		if start+size > length+1024 {
			return nil, errors.New("a message is longer than what was sent")
		}
		payload = append(payload, make([]byte, size)...)
		if _, err := io.ReadFull(s.in, payload[start:]); err != nil {
			return nil, err
		}
		if head[0]&0x80 != 0 {
			break
		}
	}
	if !deflated {
		return payload, nil
	}
	// The inflater may have left the tail of the message before: its window was full then.
	s.compressed.left = append(append(s.compressed.left, payload...), 0, 0, 0xff, 0xff)
	plain := make([]byte, length)
	_, err := io.ReadFull(s.inflate, plain)
	return plain, err
}

func (s *socket) size(second byte) (int, error) {
	var more [8]byte
	switch second & 127 {
	case 126:
		_, err := io.ReadFull(s.in, more[:2])
		return int(binary.BigEndian.Uint16(more[:2])), err
	case 127:
		_, err := io.ReadFull(s.in, more[:])
		return int(binary.BigEndian.Uint64(more[:])), err
	default:
		return int(second & 127), nil
	}
}

func (s *socket) control(opcode byte, size int) error {
	payload := make([]byte, size)
	if _, err := io.ReadFull(s.in, payload); err != nil {
		return err
	}
	switch opcode {
	case opPing:
		pong := append([]byte{0x80 | opPong, 0x80 | byte(size), 0, 0, 0, 0}, payload...)
		_, err := s.connection.Write(pong)
		return err
	case opClose:
		return fmt.Errorf("the server closed: % x", payload)
	default:
		return nil
	}
}
