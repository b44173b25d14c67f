// Command demo is the lab's application: `demo serve` answers on :8080 who it is and who called,
// `demo get URL` calls it from another pod, `demo hold HOST:PORT` keeps one connection to it busy,
// `demo idle` waits to be used by kubectl exec.
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
	case "hold":
		err = hold(ctx, os.Args[2:])
	case "idle":
		<-ctx.Done()
	default:
		fmt.Fprintln(os.Stderr, "usage: demo serve | demo get URL [--body TEXT] [--timeout 3s] [--count N] [--every 0s] | demo hold HOST:PORT [--for 10s] | demo idle")
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

// hold sends a numbered line every 50 ms over one connection and wants each back.
func hold(ctx context.Context, args []string) error {
	var address string
	if len(args) > 0 {
		address, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet("hold", flag.ExitOnError)
	lasting := flags.Duration("for", 10*time.Second, "how long")
	flags.Parse(args)
	connection, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return err
	}
	defer connection.Close()
	reader := bufio.NewReader(connection)
	end := time.Now().Add(*lasting)
	lines := 0
	for ; time.Now().Before(end) && ctx.Err() == nil; lines++ {
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
		time.Sleep(50 * time.Millisecond)
	}
	fmt.Printf("%d lines\n", lines)
	return nil
}
