module landbridge.dev/lab/demo

go 1.26
