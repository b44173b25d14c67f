// Command demo is the lab's application: `demo serve` answers on :8080 who it is and who called,
// `demo get URL` calls it from another pod, `demo idle` waits to be used by kubectl exec.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
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
	case "idle":
		<-ctx.Done()
	default:
		fmt.Fprintln(os.Stderr, "usage: demo serve | demo get URL [--body TEXT] [--timeout 3s] [--count N] | demo idle")
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
	flags.Parse(args)
	client := &http.Client{Timeout: *timeout, Transport: &http.Transport{DisableKeepAlives: true}}
	for range *count {
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
