// Command demo is the lab's application: `demo serve` answers on :8080 who it is and who called,
// `demo get URL` calls it from another pod, `demo hold HOST:PORT` keeps one connection to it open,
// `demo stream HOST:PORT` has bytes on one all the time, `demo follow URL` calls again and again and says who answered
// when, `demo idle` waits to be used by kubectl exec.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type answer struct {
	Pod     string `json:"pod"`
	Cluster string `json:"cluster"`
	Node    string `json:"node"`
	From    string `json:"from"`
	Echo    string `json:"echo"`
}

// A request's body is repeated in the answer up to this many bytes.
const bodyLimit = 1 << 20

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	command := ""
	if len(os.Args) > 1 {
		command = os.Args[1]
	}
	var err error
	switch command {
	case "serve":
		err = serve(ctx)
	case "get":
		err = get(ctx, os.Args[2:])
	case "follow":
		err = follow(ctx, os.Args[2:])
	case "hold":
		err = hold(ctx, os.Args[2:])
	case "stream":
		err = stream(ctx, os.Args[2:])
	case "idle":
		<-ctx.Done()
	default:
		fmt.Fprintln(os.Stderr, "usage: demo serve | demo get URL [--body TEXT] [--timeout 3s] [--count N] [--every 0s] | demo follow URL [--timeout 1s] [--every 3ms] | demo hold HOST:PORT [--for 10s] [--every 50ms] | demo stream HOST:PORT [--for 10s] | demo idle")
		os.Exit(64)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(ctx context.Context) error {
	fine := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", fine)
	mux.HandleFunc("/readyz", fine)
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, bodyLimit))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(answer{
			Pod: os.Getenv("POD_NAME"), Cluster: os.Getenv("CLUSTER"), Node: os.Getenv("NODE_NAME"),
			From: r.RemoteAddr, Echo: string(body),
		})
	})
	go echoLines()
	server := &http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		// Connections that are open may finish: a pod that is being deleted loses no answer.
		deadline, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		server.Shutdown(deadline)
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func get(ctx context.Context, args []string) error {
	var url string
	if len(args) > 0 {
		url, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet("get", flag.ExitOnError)
	body := flags.String("body", "", "text to send; the answer repeats it")
	timeout := flags.Duration("timeout", 3*time.Second, "limit for each call, connecting included")
	count := flags.Int("count", 1, "number of calls, each on a connection of its own")
	every := flags.Duration("every", 0, "pause between calls")
	flags.Parse(args)
	client := &http.Client{Timeout: *timeout, Transport: &http.Transport{DisableKeepAlives: true}}
	for done := range *count {
		if done > 0 {
			time.Sleep(*every)
		}
		if err := call(ctx, client, url, *body); err != nil {
			return err
		}
	}
	return nil
}

func call(ctx context.Context, client *http.Client, url, body string) error {
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewBufferString(body))
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(os.Stdout, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, response.Status)
	}
	return nil
}

// follow calls until its standard input ends, each time on a connection of its own, and says of each call when it
// ended, by the machine's clock in milliseconds, and which pod answered, or "-" where none did. Of whoever runs it by
// `kubectl exec -i`, only the end of the input tells that he is gone.
func follow(ctx context.Context, args []string) error {
	var url string
	if len(args) > 0 {
		url, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet("follow", flag.ExitOnError)
	timeout := flags.Duration("timeout", time.Second, "limit for each call, connecting included")
	every := flags.Duration("every", 3*time.Millisecond, "pause between calls")
	flags.Parse(args)
	client := &http.Client{Timeout: *timeout, Transport: &http.Transport{DisableKeepAlives: true}}
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	for ctx.Err() == nil {
		pod := answering(ctx, client, url)
		if _, err := fmt.Printf("%.3f %s\n", float64(time.Now().UnixMicro())/1000, pod); err != nil {
			return err
		}
		time.Sleep(*every)
	}
	return nil
}

func answering(ctx context.Context, client *http.Client, url string) string {
	const nobody = "-"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nobody
	}
	response, err := client.Do(request)
	if err != nil {
		return nobody
	}
	defer response.Body.Close()
	var said answer
	if json.NewDecoder(response.Body).Decode(&said) != nil {
		return nobody
	}
	return said.Pod
}

// echoLines repeats on :8081 whatever a connection sends, until it ends.
func echoLines() {
	listener, err := net.Listen("tcp", ":8081")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer connection.Close()
			io.Copy(connection, connection)
		}()
	}
}

// hold sends a numbered line every 50 ms over one connection, and one in the end, and wants each back.
func hold(ctx context.Context, args []string) error {
	var address string
	if len(args) > 0 {
		address, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet("hold", flag.ExitOnError)
	lasting := flags.Duration("for", 10*time.Second, "how long")
	every := flags.Duration("every", 50*time.Millisecond, "between two lines")
	flags.Parse(args)
	connection, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return err
	}
	defer connection.Close()
	reader := bufio.NewReader(connection)
	end := time.After(*lasting)
	lines := 0
	for isLast := false; ; lines++ {
		line := fmt.Sprintf("line %d\n", lines)
		connection.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(connection, line); err != nil {
			return fmt.Errorf("after %d lines: %w", lines, err)
		}
		back, err := reader.ReadString('\n')
		if err != nil {
			return fmt.Errorf("after %d lines: %w", lines, err)
		}
		if back != line {
			return fmt.Errorf("sent %q, got %q", line, back)
		}
		if lines == 0 {
			fmt.Println("connected")
		}
		if isLast {
			break
		}
		select {
		case <-ctx.Done():
			isLast = true
		case <-end:
			isLast = true
		case <-time.After(*every):
		}
	}
	fmt.Printf("%d lines\n", lines+1)
	return nil
}

const (
	streamChunk = 16 << 10
	// About 1.6 MB a second: enough that some are always on the way.
	streamPause = 10 * time.Millisecond
	// Without a byte that comes back.
	streamSilence = 10 * time.Second
)

// Byte at a position of what is streamed: one that is lost, repeated or in another place is seen.
func streamed(position int) byte {
	return byte(position) ^ byte(position>>8)*31 ^ byte(position>>16)*17
}

// stream sends bytes over one connection without waiting for any, and wants each of them back, in order, and then the end.
func stream(ctx context.Context, args []string) error {
	var address string
	if len(args) > 0 {
		address, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet("stream", flag.ExitOnError)
	lasting := flags.Duration("for", 10*time.Second, "how long")
	flags.Parse(args)
	dialled, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return err
	}
	defer dialled.Close()
	connection := dialled.(*net.TCPConn)
	ctx, cancel := context.WithTimeout(ctx, *lasting)
	defer cancel()
	type outcome struct {
		bytes int
		err   error
	}
	sent := make(chan outcome, 1)
	go func() {
		total, err := send(ctx, connection)
		sent <- outcome{total, err}
	}()
	received := 0
	chunk := make([]byte, streamChunk)
	for {
		connection.SetReadDeadline(time.Now().Add(streamSilence))
		count, err := connection.Read(chunk)
		for i, value := range chunk[:count] {
			if value != streamed(received+i) {
				return fmt.Errorf("byte %d came back as another", received+i)
			}
		}
		if received == 0 && count > 0 {
			fmt.Println("connected")
		}
		received += count
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("after %d bytes: %w", received, err)
		}
	}
	if ctx.Err() == nil {
		return fmt.Errorf("it ended after %d bytes", received)
	}
	whole := <-sent
	if whole.err != nil {
		return fmt.Errorf("after %d bytes sent: %w", whole.bytes, whole.err)
	}
	if whole.bytes != received {
		return fmt.Errorf("%d of %d bytes came back", received, whole.bytes)
	}
	fmt.Printf("%d bytes\n", received)
	return nil
}

func send(ctx context.Context, connection *net.TCPConn) (int, error) {
	chunk := make([]byte, streamChunk)
	total := 0
	for ctx.Err() == nil {
		for i := range chunk {
			chunk[i] = streamed(total + i)
		}
		count, err := connection.Write(chunk)
		total += count
		if err != nil {
			return total, err
		}
		time.Sleep(streamPause)
	}
	return total, connection.CloseWrite()
}
