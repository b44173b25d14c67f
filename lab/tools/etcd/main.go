// Command etcd starts the etcd server: its own main package cannot be imported as a tool.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
